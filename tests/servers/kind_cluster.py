"""A cluster of kind as `make kind-up` leaves it, and who runs projects on it."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("coralline")
CLUSTER = os.environ.get("KIND_CLUSTER", "coralline")
BUILT = Path(os.environ.get("CORALLINE_IMAGES", ROOT / "images" / "built.json")).resolve()
PROJECT = ROOT / "examples" / "glasses-kind.yaml"
RUN = "app.kubernetes.io/instance"
STEP = "coralline/step"


def kubectl(*arguments, check=True, **options):
    """Run kubectl as the cluster's administrator."""
    command = ["kubectl", "--context", f"kind-{CLUSTER}", "--namespace", "coralline", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0 or not check, done.stderr
    return done


def objects(kind, labels=""):
    """The cluster's objects of a kind, as the API has them."""
    return json.loads(kubectl("get", kind, "-l", labels, "-o", "json").stdout)["items"]


def bring_up():
    """Make the cluster where it is not there, or has other images than were built."""
    if not _ready():
        subprocess.run(["make", "kind-up"], cwd=ROOT, check=True)


def _ready():
    clusters = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True)
    if CLUSTER not in clusters.stdout.split() or not BUILT.exists():
        return False
    images = [image for node in objects("nodes") for image in node["status"]["images"]]
    loaded = {name for image in images for name in image.get("names") or ()}
    built = set(json.loads(BUILT.read_text()).values())
    wait = ["wait", "--for=condition=Available", "deployments", "--all", "--timeout=1m"]
    return built <= loaded and kubectl(*wait, check=False).returncode == 0


class Runner:
    """Who may run projects in the namespace, and do nothing else there.

    Args:
        folder: Where the files and runs go.
        account: The service account whose token is used.
    """

    def __init__(self, folder, account="coralline-runner"):
        self.folder = folder
        config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout)
        config["users"][0]["user"] = {"token": kubectl("create", "token", account).stdout}
        self.kubeconfig = folder / f"{account}.json"
        self.kubeconfig.write_text(json.dumps(config))
        credentials = (ROOT / "k8s" / "overlays" / "kind" / "store.env").read_text()
        self.environment = {
            **os.environ,
            **dict(line.split("=") for line in credentials.splitlines()),
            "AWS_ENDPOINT_URL_S3": "http://localhost:30333",
            "CORALLINE_IMAGES": str(BUILT),
            "KUBECONFIG": str(self.kubeconfig),
        }

    def project(self, **changes):
        """The demo's project with a store of its own, and other changes in each section."""
        project = yaml.safe_load(PROJECT.read_text())
        name = uuid.uuid4().hex[:8]
        project["store"] = f"s3://coralline/tests/{name}"
        for section, settings in changes.items():
            project[section] = {**project.get(section, {}), **settings}
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(project))
        return file

    def manifests(self, project, run):
        """A run's manifests, as YAML."""
        return self._done(COMMAND, "manifests", project, "--run", run)

    def begin(self, project, run):
        """Apply a run's manifests."""
        manifests = self.manifests(project, run)
        self._done("kubectl", "--namespace", "coralline", "apply", "-f", "-", input=manifests)

    def follow(self, project, run):
        """Start to follow a run."""
        return subprocess.Popen(
            [COMMAND, "follow", project, "--run", run],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _done(self, *command, **options):
        options = {"cwd": self.folder, "env": self.environment, **options}
        done = subprocess.run(command, capture_output=True, text=True, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout
