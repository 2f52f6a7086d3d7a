"""The whole pipeline in containers on this machine; the images are those of `make images`."""

import json
import os
import signal
import subprocess
import time

import pytest
import yaml

pytestmark = pytest.mark.docker

DOCKER = ("run", "project.yaml", "--in", "docker")


@pytest.fixture(scope="module", autouse=True)
def images(built, tmp_path_factory):
    """The references of the images, and a file of them where the command looks for it."""
    file = tmp_path_factory.mktemp("images") / "built.json"
    file.write_text(json.dumps(built))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORALLINE_IMAGES", str(file))
        yield built


def containers(*states):
    filters = [f"--filter=status={state}" for state in states]
    line = ["docker", "ps", "--quiet", "--all", "--filter=label=coralline.store", *filters]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    deadline = time.monotonic() + 30
    while containers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert containers() == []


@pytest.fixture
def place(workplace, quick):
    return workplace(quick)


def broken(place):
    """Lets the project's first step fail."""
    project = yaml.safe_load(place.file.read_text())
    (place.folder / "empty").mkdir(exist_ok=True)
    project["crawl"] = {"sources": [{"type": "directory", "path": "empty"}]}
    place.file.write_text(yaml.safe_dump(project))


def test_a_run_in_containers_ends_like_one_in_processes(place):
    done = place.command(*DOCKER)
    assert done.returncode == 0, done.stderr
    in_containers = place.summary
    again = place.run()
    assert again.returncode == 0, again.stderr
    in_processes = place.summary
    assert in_processes["images"] == {**in_containers["images"], "fetched": 0}
    for same in ("dataset", "test"):
        assert in_containers[same] == in_processes[same]


def test_what_a_run_writes_belongs_to_who_runs_it(place):
    assert place.command(*DOCKER).returncode == 0
    owners = {path.stat().st_uid for path in place.folder.rglob("*")}
    assert owners == {os.getuid()}


def test_a_step_that_fails_fails_the_run_every_time(place):
    broken(place)
    for _ in range(5):
        done = place.command(*DOCKER)
        assert done.returncode == 2
        assert "there is no image of it in directory" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("step", ["crawl", "train"])
def test_a_container_that_is_gone_is_no_success(place, step):
    process = place.start(*DOCKER)
    place.wait_for_event(step, "start", process)
    subprocess.run(["docker", "rm", "--force", *containers("running")], check=True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{step} ended unexpectedly" in errors


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_end_the_containers(place, ending):
    process = place.start(*DOCKER)
    place.wait_for_event("train", "start", process)
    assert containers("running")
    process.send_signal(ending)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "interrupted; what is in the store is kept, run again to go on\n"
    assert containers() == []


def test_when_the_run_is_killed_the_containers_end(place):
    process = place.start(*DOCKER)
    place.wait_for_event("train", "start", process)
    process.kill()
    process.communicate(timeout=60)  # and nothing_left looks


def test_docker_that_does_not_answer_is_said(place, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    done = place.command(*DOCKER)
    assert done.returncode == 2
    assert done.stderr == (
        "unix:///nowhere/docker.sock: Docker does not answer. Start it, or let your user into its "
        "group; or run without --in docker.\n"
    )
    assert not place.folder.joinpath("runs").exists()


@pytest.fixture
def run_with_cropper(place, images, monkeypatch):
    """Runs the project where the cropper's image has a name."""

    def run(name):
        file = place.folder / "images.json"
        file.write_text(json.dumps({**images, "cropper": name}))
        monkeypatch.setenv("CORALLINE_IMAGES", str(file))
        return place.command(*DOCKER)

    return run


def test_an_image_that_is_not_there_is_said(run_with_cropper):
    done = run_with_cropper("localhost:1/coralline/cropper:none")
    assert done.returncode == 2
    assert done.stderr.startswith("localhost:1/coralline/cropper:none: Docker does not have this")
    assert done.stderr.endswith("Build the images: make images.\n")


def test_a_name_that_no_image_can_have_is_said(run_with_cropper):
    done = run_with_cropper("UPPER/x:1")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("UPPER/x:1: Docker does not have this")
    assert "must be lowercase" in line
