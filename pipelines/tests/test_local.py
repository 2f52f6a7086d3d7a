"""Runs on this machine that do not come to their end: real steps, and a real site."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from coralline_demo import image_site


@pytest.fixture(scope="module")
def site():
    with image_site(port=0) as address:
        yield address


@pytest.fixture
def project(tmp_path, site):
    path = tmp_path / "glasses.yaml"
    path.write_text(f"""
name: glasses
labels:
  glasses: {{queries: [person with glasses]}}
  no-glasses: {{queries: [person without glasses]}}
crawl:
  sources: [{{type: openverse, url: {site}/v1/images/}}]
  max_per_query: 100
  allow_private_addresses: true
train:
  model: {{name: small_mobilenet, size: 32}}
  epochs: 500
  patience: 500
""")
    return path


@pytest.fixture
def runs(tmp_path):
    """The folder of runs; the test fails if any process still knows of it at the end."""
    folder = tmp_path / "runs"
    yield folder
    deadline = time.monotonic() + 20
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(folder) == {}


def processes_of(runs):
    """The processes with the folder in their command line or their environment."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        line = environment = b""
        # Gone meanwhile, or another user's: none of ours.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            line = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        if os.fsencode(runs) in line + environment:
            found[int(process.name)] = line
    return found


def wait_until_said(runs, *events):
    """Waits for a line of a run's events that holds all of the given texts."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = [line for file in runs.glob("2*/events.jsonl") for line in file.open()]
        if any(all(f'"{event}"' in line for event in events) for line in lines):
            return
        time.sleep(0.02)
    pytest.fail(f"no event {events}: {lines}")


def test_a_step_that_fails_ends_the_run_with_its_line(finish, project_file, tmp_path, runs):
    project_file("crawl: {sources: [{type: directory, path: pictures}]}")
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
    code, printed, errors = finish("run", "p.yaml", "--runs", runs)
    assert code == 2
    assert printed.splitlines()[0] == "crawl    started"
    (error,) = errors
    assert "Traceback" not in error
    (folder,) = runs.glob("2*")
    assert (folder / "project.yaml").read_text() == (tmp_path / "p.yaml").read_text()
    assert {path.name for path in folder.iterdir()} == {
        *("project.yaml", "arguments.json", "events.jsonl", "run.log", "artifacts")
    }
    assert not (runs / "latest").is_symlink()


@pytest.mark.parametrize("module", ["kfp.dsl.executor_main", "coralline.local"])
def test_a_step_or_a_pipeline_that_is_killed_is_a_fault_of_ours(coralline, project, runs, module):
    process = coralline("run", project, "--runs", runs)
    wait_until_said(runs, "crawl", "start")
    lines = processes_of(runs)
    (killed,) = (pid for pid in lines if f"\0{module}\0".encode() in lines[pid])
    os.kill(killed, signal.SIGKILL)  # as the kernel does when memory runs out
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert processes_of(runs) == {}
    (folder,) = runs.glob("2*")
    said = "The log's end says more. What is in the store is kept: run again."
    assert errors == f"{folder / 'run.log'}: crawl ended unexpectedly. {said}\n"


@pytest.mark.parametrize(
    ("step", "ending"),
    [("crawl", signal.SIGINT), ("train", signal.SIGINT), ("train", signal.SIGTERM)],
)
def test_ctrl_c_and_kill_end_every_process_and_say_one_line(
    coralline, finish, project, runs, step, ending
):
    process = coralline("run", project, "--runs", runs)
    wait_until_said(runs, step, "start")
    code, printed, errors = finish("run", project, "--runs", runs.with_name("others"), "--json")
    said = "another run is at work on this store. Wait for it to end."
    store = (project.parent / "store").as_uri()
    assert (code, printed, errors) == (2, "", [f"{store}: {said}"])
    assert not runs.with_name("others").exists()
    process.send_signal(ending)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 130
    assert errors == "interrupted; what is in the store is kept, run again to go on\n"
    assert processes_of(runs) == {}
    assert not (runs / "latest").is_symlink()


@pytest.mark.parametrize("step", ["crawl", "train"])
def test_when_the_run_is_killed_every_process_ends(coralline, project, runs, step):
    process = coralline("run", project, "--runs", runs)
    wait_until_said(runs, step, "start")
    assert len(processes_of(runs)) >= 3
    process.kill()
    process.communicate(timeout=40)
    assert process.returncode == -signal.SIGKILL
