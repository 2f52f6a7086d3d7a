"""What goes wrong on a cluster, and the one line that says it."""

import json
import signal

import pytest
from coralline.project import STEPS
from kind_cluster import BUILT, RUN, Runner, kubectl, objects

pytestmark = pytest.mark.timeout(400)

ENVIRONMENT = {"AWS_ENDPOINT_URL_S3": "http://seaweedfs:8333", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def followed(runner, tmp_path_factory):
    """Runs that cannot end well, each begun and followed at once, by what is wrong with them."""
    images = tmp_path_factory.mktemp("images") / "images.json"
    images.write_text(
        json.dumps({**json.loads(BUILT.read_text()), "crawler": "localhost/coralline/nowhere:1"})
    )
    wrong = {
        # The first, as its pods try for two minutes.
        "store": {"environment": {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": "http://nowhere:8333"}},
        "image": {"images": str(images)},
        "secret": {"secret": "nowhere"},
        "memory": {"retries": 1, "steps": {"crawl": {"memory": "32Mi"}}},
    }
    followers = {}
    for name, settings in wrong.items():
        # Small pods: there are many.
        steps = {
            step: {"cpu": "10m", "memory": "1Gi", **settings.get("steps", {}).get(step, {})}
            for step in ("crawl", "curate", "crop", "train", "convert", "compile", "publish")
        }
        project = runner.project(kubernetes={**settings, "steps": steps})
        runner.begin(project, f"wrong-{name}")
        followers[name] = runner.follow(project, f"wrong-{name}")
    yield followers
    for name, follower in followers.items():
        follower.kill()
        follower.communicate()
        kubectl("delete", "jobs", "-l", f"{RUN}=wrong-{name}", "--wait=false")


def finish(follower):
    """The exit code, what was printed, and the one line of the error."""
    printed, errors = follower.communicate(timeout=300)
    (line,) = errors.splitlines()
    return follower.returncode, printed, line


def test_an_image_that_is_not_in_the_cluster(followed):
    code, printed, line = finish(followed["image"])
    assert code == 2
    assert line.startswith("crawl cannot start: ")
    assert "localhost/coralline/nowhere:1" in line
    assert "make kind-up" in line
    assert "crawl    waits: " in printed


def test_a_secret_that_is_not_there(followed):
    code, _, line = finish(followed["secret"])
    assert code == 2
    assert 'secret "nowhere" not found. Look at `kubernetes.secret`' in line


def test_a_step_that_needs_more_memory_than_it_may_have(followed):
    code, printed, line = finish(followed["memory"])
    assert code == 2
    assert printed.count("crawl    was killed: it needs more memory than 32Mi\n") == 2
    assert line.startswith("crawl was killed: it needs more memory than 32Mi. ")
    assert line.endswith("Raise kubernetes.steps.crawl.memory.")
    # What would have waited for it is gone.
    jobs = objects("jobs", f"{RUN}=wrong-memory")
    assert [job["metadata"]["name"] for job in jobs] == ["wrong-memory-crawl"]


def test_a_store_that_pods_cannot_reach(followed):
    code, _, line = finish(followed["store"])
    assert code == 2
    # All of them look for it from the run's begin, and any may be the first to give up.
    step, _, why = line.partition(" failed: ")
    assert step in STEPS
    assert why.startswith("s3://coralline/tests/")
    assert "http://nowhere:8333" in why


def test_steps_for_which_there_is_no_room(runner, run):
    (node,) = objects("nodes")
    cpu = str(int(node["status"]["allocatable"]["cpu"]) + 1)
    steps = {"crawl": {"cpu": cpu}, "train": {"memory": "64Gi"}}
    project = runner.project(kubernetes={"steps": steps})
    runner.begin(project, run)
    follower = runner.follow(project, run)
    wanted = {"crawl    waits: no node takes it: ", "train    waits: its pod was refused: "}
    said = []
    for line in follower.stdout:
        said.append(line)
        if all(any(one.startswith(begin) for one in said) for begin in wanted):
            break
    follower.send_signal(signal.SIGINT)
    _, errors = follower.communicate(timeout=30)
    assert follower.returncode == 130
    assert errors == "interrupted; the run goes on, and can be followed again\n"
    assert any("Insufficient cpu" in line and "kubernetes.steps.crawl.cpu" in line for line in said)
    assert any("exceeded quota: coralline" in line for line in said)


def test_somebody_who_may_not_look(runner):
    nobody = Runner(runner.folder, account="coralline")
    code, _, line = finish(nobody.follow(nobody.project(), "any"))
    assert code == 2
    assert "cannot list resource" in line
    assert "coralline-runner" in line


def test_a_run_that_is_not_there(runner):
    code, _, line = finish(runner.follow(runner.project(), "nowhere"))
    assert code == 2
    assert line.startswith("no run nowhere is in the namespace coralline. ")
    assert "--context" in line


def test_a_cluster_that_does_not_answer(runner, tmp_path):
    config = json.loads(runner.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    (tmp_path / "config").write_text(json.dumps(config))
    away = Runner(runner.folder)
    away.environment["KUBECONFIG"] = str(tmp_path / "config")
    code, _, line = finish(away.follow(away.project(), "any"))
    assert code == 2
    assert line.startswith("https://127.0.0.1:9: the cluster does not answer. ")
