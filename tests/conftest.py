"""What the tests of the whole share: the demo's site, project files, and the command."""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from coralline_demo import PROJECT, image_site

COMMAND = Path(sys.executable).with_name("coralline")
REPOSITORY = Path(__file__).parents[1]
BUILT = REPOSITORY / "images" / "built.json"


class Workplace:
    """A folder with a project file, in which the command is run."""

    def __init__(self, folder, project):
        self.folder = folder
        self.store = folder / "store"
        self.file = folder / "project.yaml"
        self.file.write_text(yaml.safe_dump(project))

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def command(self, *arguments):
        process = self.start(*arguments)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def run(self):
        return self.command("run", self.file.name)

    @property
    def latest(self):
        return self.folder / "runs" / "latest"

    @property
    def summary(self):
        return json.loads((self.latest / "summary.json").read_text())

    def snapshot(self):
        """Every file below the folder with its bytes."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def processes(self):
        """The living processes that were started here, however far down."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command, cwd = (folder / "cmdline").read_bytes(), str((folder / "cwd").readlink())
            except OSError:
                continue
            if str(self.folder).encode() in command or cwd.startswith(str(self.folder)):
                found.append(int(folder.name))
        return found

    def wait_for_event(self, step, event, process, seconds=120):
        """Wait until the newest run says that `step` is so far."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            for file in self.folder.glob("runs/*/events.jsonl"):
                events = [json.loads(line) for line in file.read_text().splitlines()]
                if any(said["step"] == step and said["event"] == event for said in events):
                    return
            time.sleep(0.005)
        raise AssertionError(f"{step} never said {event!r}: {process.communicate()}")


@pytest.fixture(scope="module")
def site():
    with image_site(port=0) as address:
        yield address


@pytest.fixture(scope="module")
def asked(site):
    """Asks the site how many images it was asked for."""

    def asked():
        with urlopen(f"{site}/stats", timeout=10) as answer:
            return json.load(answer)["images"]

    return asked


@pytest.fixture(scope="module")
def glasses(site):
    """Makes the demo's project, with the site's address and other changes in each section."""

    def glasses(**changes):
        project = yaml.safe_load(PROJECT.read_text())
        project["crawl"]["sources"][0]["url"] = f"{site}/v1/images/"
        for section, settings in changes.items():
            project[section] = {**project[section], **settings}
        return project

    return glasses


@pytest.fixture(scope="module")
def quick(glasses):
    """The demo's project, for a model that is trained in seconds and is good for nothing."""
    return glasses(
        train={"model": {"name": "small_mobilenet", "size": 32}, "epochs": 1},
        convert={"gallery": 0, "min_agreement": 0, "max_accuracy_drop": 1},
        compile={"targets": ["tflite-micro"]},
        publish={"min_accuracy": 0},
    )


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """Makes a workplace, in a folder of its own, from a project."""
    return lambda project: Workplace(tmp_path_factory.mktemp("workplace"), project)


@pytest.fixture(scope="session")
def built():
    """The reference of each image; they are built if they are not there."""
    if not BUILT.exists() or _missing(json.loads(BUILT.read_text())):
        subprocess.run(["make", "images"], cwd=REPOSITORY, check=True)
    return json.loads(BUILT.read_text())


def _missing(images):
    command = ["docker", "image", "inspect", *images.values()]
    return subprocess.run(command, capture_output=True).returncode
