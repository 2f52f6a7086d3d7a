"""The reviewer on a cluster, as people who may run projects deploy it and come to its page."""

import re
import subprocess
from contextlib import contextmanager

import pytest
import yaml
from coralline_core.corrections import corrected_crops
from kind_cluster import COMMAND, ROOT, kubectl, objects
from reviewing import LABELS, Client, Shelf, int8_model

REVIEWER = "app.kubernetes.io/component=reviewer"
DEPLOYMENT = "deployment/reviewer-glasses"


@pytest.fixture
def shelf(runner, monkeypatch):
    """The project file, and its store in the cluster with crops in it: both."""
    for name, value in runner.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    file = runner.project(labels={label: {"queries": [label]} for label in LABELS})
    store = yaml.safe_load(file.read_text())["store"]
    shelf = Shelf(f"{store}?region=us-east-1", int8_model())
    shelf.put_crops([("red", "red"), ("blue", "blue"), ("red", "blue")])
    shelf.put_champion()
    return file, shelf


@pytest.fixture
def deployed(runner, shelf):
    """That project's reviewer, applied as the documentation says."""
    file, _ = shelf
    kubectl("apply", "--kustomize", ROOT / "k8s" / "reviewer")
    options = {"env": runner.environment, "capture_output": True, "text": True, "check": True}
    printed = subprocess.run([COMMAND, "manifests", file, "--reviewer"], **options).stdout
    apply = ["kubectl", "--namespace", "coralline", "apply", "-f", "-"]
    subprocess.run(apply, input=printed, **options)
    kubectl("rollout", "status", DEPLOYMENT, "--timeout=2m")
    yield printed
    kubectl("delete", "deployments,services", "-l", REVIEWER)


@contextmanager
def forwarded(runner):
    """Whoever has `kubectl port-forward` to the page, as the documentation says."""
    command = ["kubectl", "--namespace", "coralline", "port-forward", "service/reviewer-glasses"]
    with subprocess.Popen(
        [*command, ":80"], env=runner.environment, stdout=subprocess.PIPE, text=True
    ) as forward:
        port = re.search(r"127\.0\.0\.1:(\d+) -> 8080", forward.stdout.readline())[1]
        yield Client(f"http://127.0.0.1:{port}")
        forward.terminate()


def test_what_is_said_on_the_page_is_in_the_store(runner, shelf, deployed):
    _, shelf = shelf
    with forwarded(runner) as page:
        page.ready()
        assert page.list()[0] == 2
        (crop,) = page.crops(2)
        assert crop["thinks"] == "blue"
        assert page.say([2], "blue") == 200
    assert corrected_crops(shelf.store) == {crop["photo"]: {(10, 20, 30, 30): "blue"}}

    kubectl("delete", "pods", "-l", REVIEWER)  # another comes, and knows what was said
    kubectl("rollout", "status", DEPLOYMENT, "--timeout=2m")
    with forwarded(runner) as page:
        page.ready()
        assert page.list(seen="changed") == [2]


def test_its_pod_is_the_least_that_works(deployed):
    (pod,) = (
        pod for pod in objects("pods", REVIEWER) if "deletionTimestamp" not in pod["metadata"]
    )
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_the_namespace_takes_it_without_a_warning(deployed):
    done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=deployed)
    assert done.stderr == ""
