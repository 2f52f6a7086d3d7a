"""The demo as Jobs: the crawler's pod is deleted at work, and the trainer's is evicted."""

import json
import re
import subprocess

import pytest
from kind_cluster import RUN, STEP, kubectl, objects

pytestmark = pytest.mark.timeout(900)

ASKED_FOR = 426  # images, by a crawl that nothing disturbs
QUICK = {
    # One request after another and little to compute with: so there is a middle to be killed in.
    "crawl": {"concurrency": 1, "per_host": 1},
    "kubernetes": {"steps": {"crawl": {"cpu": "100m", "cpu_limit": "150m"}}},
    "train": {"head_epochs": 20, "epochs": 2},
    "convert": {"max_accuracy_drop": 1, "min_agreement": 0, "calibration_images": 20},
    "compile": {"targets": ["edgetpu"]},
    "publish": {"min_accuracy": 0},
}


def asked():
    """How many images the demo's site was asked for."""
    ask = "import urllib.request as r; print(r.urlopen('http://localhost:8765/stats').read().decode())"
    said = kubectl("exec", "deployment/demo-site", "--", "python", "-c", ask).stdout
    return json.loads(said)["images"]


def delete(pod):
    kubectl("delete", "pod", pod, "--wait=false")


def evict(pod):
    """What `kubectl drain` has done to each pod of a node."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    at = f"/api/v1/namespaces/coralline/pods/{pod}/eviction"
    kubectl("create", "--raw", at, "--filename", "-", input=json.dumps(eviction))


def at_work(run, step, kill):
    """Have a step's pod killed as soon as it says that it has begun to make something."""
    job = f"job/{run}-{step}"
    kubectl("wait", "--for=jsonpath={.status.ready}=1", job, "--timeout=5m")
    command = ["kubectl", "--namespace", "coralline", "logs", "--follow", job]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as logs:
        for line in logs.stdout:
            if re.match(rf"{step} +[1-9]\d*/", line):
                break
        else:
            raise AssertionError(f"{step} was done before it could be killed")
        (pod,) = objects("pods", f"{RUN}={run},{STEP}={step}")
        kill(pod["metadata"]["name"])
        logs.kill()
    kubectl("wait", "--for=delete", f"pod/{pod['metadata']['name']}", "--timeout=2m")


@pytest.fixture(scope="module")
def ended(runner, long_run):
    """A run in which two pods were killed: the process that followed it, and what was asked for."""
    project = runner.project(**QUICK)
    before = asked()
    runner.begin(project, long_run)
    follower = runner.follow(project, long_run)
    at_work(long_run, "crawl", delete)
    at_work(long_run, "train", evict)
    printed, errors = follower.communicate(timeout=600)
    done = subprocess.CompletedProcess(follower.args, follower.returncode, printed, errors)
    return done, asked() - before


def test_a_run_whose_pods_are_killed_ends_with_a_model(ended, runner, long_run):
    done, _ = ended
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert re.search("^crawl    (lost its pod|ended with exit code 130)", done.stdout, re.MULTILINE)
    # By what is said of it, or by its being gone, whichever is seen first.
    assert re.search("^train    lost its pod: ", done.stdout, re.MULTILINE)
    assert re.search(r"^accuracy  [\d.]+%, int8 on 60 test crops", done.stdout, re.MULTILINE)
    folder = runner.folder / "runs" / long_run
    assert {path.name for path in folder.iterdir()} >= {"model", "report.html", "summary.json"}
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder / "model", check=False).returncode == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["model"] == str(folder / "model")
    assert summary["images"]["kept"] == 400


def test_an_eviction_is_no_try_of_those_that_a_step_has(ended, long_run):
    jobs = {job["metadata"]["labels"][STEP]: job for job in objects("jobs", f"{RUN}={long_run}")}
    assert jobs["crawl"]["status"]["failed"] == 1
    assert "failed" not in jobs["train"]["status"]


def test_what_the_first_crawler_fetched_is_not_fetched_again(ended):
    _, images = ended
    in_flight = QUICK["crawl"]["concurrency"]
    assert ASKED_FOR <= images <= ASKED_FOR + in_flight


def test_what_a_run_made_is_fetched_once(ended, runner, long_run):
    project = runner.project()  # of another store, where there is no such run
    follower = runner.follow(project, long_run)
    printed, errors = follower.communicate(timeout=60)
    assert follower.returncode == 0, errors
    assert f"runs/{long_run}/report.html" in printed


def test_every_pod_was_the_least_that_works(ended, long_run):
    pods = objects("pods", f"{RUN}={long_run}")
    assert {pod["metadata"]["labels"][STEP] for pod in pods} >= {"crawl", "train", "publish"}
    for pod in pods:
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert (
            container["resources"]["limits"]["memory"]
            == container["resources"]["requests"]["memory"]
        )
        assert not any("secret" in volume for volume in spec["volumes"])
