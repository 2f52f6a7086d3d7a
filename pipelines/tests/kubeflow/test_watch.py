"""Following a run on Kubeflow Pipelines."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from coralline.cluster.kubeflow import watch
from coralline.cluster.kubeflow.client import Kubeflow
from coralline.cluster.kubeflow.listing import newest
from coralline.cluster.kubeflow.outcome import failure
from coralline.cluster.kubeflow.submit import submit
from coralline.cluster.kubeflow.watch import follow, state_of, steps_of
from coralline.project import STEPS
from coralline_core.errors import CorallineError
from kubeflow_graph import pod
from kubeflow_stub import PAGE

DONE = dict.fromkeys(STEPS, "done")


def test_each_step_s_state_is_told_from_the_nodes_of_the_graph(stub, client, project):
    run = submit(client, project).run_id
    states = {
        "crawl": "done",
        "curate": "retried",
        "crop": "done",
        "train": "cached",
        "convert": "cached",
        "compile": "waiting",
    }
    stub.play(run, "RUNNING", stub.nodes(**states))
    assert {one.step: one.state for one in steps_of(client.run(run))} == {
        **states,
        "curate": "done",
        "publish": "to come",
    }
    stub.play(run, "RUNNING", stub.nodes(crawl="done", curate="running"))
    assert [one.state for one in steps_of(client.run(run))][:3] == ["done", "running", "to come"]
    left = dict.fromkeys(STEPS[2:], "left out")
    stub.play(run, "FAILED", stub.nodes(crawl="done", curate="failed", **left))
    states = [one.state for one in steps_of(client.run(run))]
    assert states == ["done", "failed", *["not run"] * 5]
    assert steps_of(client.run(run))[0].seconds == 35


def test_a_run_that_has_just_begun_has_no_tasks_yet(client, project):
    run = client.run(submit(client, project).run_id)
    assert {one.state for one in steps_of(run)} == {"to come"}


def test_following_says_what_is_new_once(stub, client, project, play):
    run = submit(client, project).run_id
    play(
        ("PENDING", {}),
        ("RUNNING", {"crawl": "starting"}),
        ("RUNNING", {"crawl": "running"}),
        ("RUNNING", {"crawl": "running"}),
        ("RUNNING", {"crawl": "done", "curate": "running"}),
        ("SUCCEEDED", DONE | {"train": "cached"}),
    )
    said = []
    over = follow(client, run, said.append)
    assert over.state == "SUCCEEDED"
    assert [(one.step, one.event) for one in said[:3]] == [
        ("crawl", "start"),
        ("crawl", "end"),
        ("curate", "start"),
    ]
    ends = [one.step for one in said if one.event == "end"]
    assert ends == list(STEPS)
    assert {one.step: one.note for one in said if one.event == "end"}["train"] == "cached"


UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
            "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
        }
    ],
}
UNPULLED = {
    "phase": "Pending",
    "containerStatuses": [
        {
            "name": "main",
            "image": "coralline/crawler:1",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff"}},
        }
    ],
}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (UNSCHEDULABLE, "0/1 nodes are available: 1 Insufficient cpu"),
        (UNPULLED, "ImagePullBackOff: coralline/crawler:1"),
    ],
)
def test_a_pod_that_waits_is_spoken_of_with_the_reason(
    stub, project, play, kubectl, monkeypatch, status, says
):
    monkeypatch.setattr(watch, "_LONG", watch.timedelta(0))
    client = Kubeflow(None)
    run = submit(client, project).run_id
    stub.pods = [pod(run, "crawl", status)]
    waiting = ("RUNNING", {"crawl": "waiting"})
    stub.fault = lambda method, path: stub.play(run, waiting[0], stub.nodes(**waiting[1]))
    said = []

    def show(event):
        said.append(event)
        if event.event == "warning":
            stub.fault = lambda *_: stub.play(run, "SUCCEEDED", stub.nodes(**DONE))

    follow(client, run, show)
    (warning,) = [one for one in said if one.event == "warning"]
    assert warning.step == "crawl"
    assert warning.message == f"has waited 0 min for its pod: {says}"


def test_who_may_not_is_told_how_to_see(stub, client, project, monkeypatch):
    monkeypatch.setattr(watch, "_LONG", watch.timedelta(0))
    run = submit(client, project).run_id
    stub.play(run, "RUNNING", stub.nodes(crawl="waiting"))
    said = []

    def show(event):
        said.append(event)
        if event.event == "warning":
            stub.play(run, "SUCCEEDED", stub.nodes(**DONE))

    follow(client, run, show)
    (message,) = [one.message for one in said if one.event == "warning"]
    assert message.endswith(f"see why: kubectl get pods -n kubeflow -l pipeline/runid={run}")


def test_a_cluster_that_has_no_pod_of_the_run_is_taken_for_another_than_the_api_s(
    stub, coralline_command, glasses, play, kubectl, monkeypatch
):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", stub.url)
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "secret")
    monkeypatch.setattr(watch, "_LONG", watch.timedelta(0))
    stub.pods = [pod("of another run", "crawl", UNSCHEDULABLE)]
    play(("RUNNING", {"crawl": "waiting"}), ("FAILED", {"crawl": "failed"}))
    code, out, error = coralline_command("submit", glasses(), "--wait")
    (run,) = stub.runs
    command = f"kubectl get pods -n kubeflow -l pipeline/runid={run}"
    assert code == 1
    assert f"has waited 0 min for its pod: see why: {command}" in out
    assert error.splitlines()[-1].endswith(f"Its log is on that page; {command}.")


def test_a_run_that_is_cancelled_elsewhere_is_told_from_a_failed_one(stub, client, project, play):
    run = submit(client, project).run_id
    play(("CANCELING", {"crawl": "running"}), ("FAILED", {"crawl": "failed"}))
    said = []
    over = follow(client, run, said.append)
    assert [(one.event, one.message) for one in said] == [("start", ""), ("error", "stopped")]
    assert state_of(over) == "CANCELED"
    assert [one.state for one in steps_of(over)] == ["stopped", *["not run"] * 6]


def test_a_run_that_was_cancelled_between_two_looks_is_told_from_a_failed_one(
    stub, client, project, play
):
    run = submit(client, project).run_id
    client.cancel(run)
    play(("FAILED", {"crawl": "failed"}))
    over = follow(client, run, lambda _: None)
    assert failure(client, over) == "the run was cancelled. Submit it again to go on."
    assert [entry.state for entry in newest(client, project, None)] == ["CANCELED"]


def test_an_api_that_is_away_for_a_while_does_not_end_the_watch(stub, client, project):
    run = submit(client, project).run_id
    left = [503] * 12 + [None] + [500] * 2  # more than one request is tried again for
    stub.play(run, "RUNNING", stub.nodes(crawl="done", curate="running"))

    def fault(*_):
        if not left:
            stub.play(run, "SUCCEEDED", stub.nodes(**DONE))
        return left.pop(0) if left else None

    stub.fault = fault
    said = []
    assert follow(client, run, said.append).state == "SUCCEEDED"
    warnings = [(one.step, one.message) for one in said if one.event == "warning"]
    what = "cannot be seen for now: Kubeflow Pipelines"
    assert warnings == [  # once each time
        ("crawl", f"{what} is not ready (503): no healthy upstream"),
        ("curate", f"{what} refuses (500): no healthy upstream"),
    ]


@pytest.mark.parametrize(
    ("fault", "says"), [(401, "wants to know who you are"), (403, "not allowed"), (PAGE, "not the")]
)
def test_what_does_not_pass_ends_the_watch_at_once(stub, client, project, fault, says):
    run = submit(client, project).run_id
    stub.asked.clear()
    stub.fault = lambda *_: fault
    with pytest.raises(CorallineError, match=says) as raised:
        follow(client, run, lambda _: None)
    assert raised.value.fix.endswith(f"The run goes on: {stub.url}/#/runs/details/{run}")
    assert len(stub.asked) == 1


def test_one_that_stays_away_does_and_the_run_goes_on(stub, client, project, monkeypatch):
    monkeypatch.setattr(watch, "_PATIENCE", 0.0)
    run = submit(client, project).run_id
    stub.fault = lambda *_: 503
    with pytest.raises(CorallineError, match="is not ready") as raised:
        follow(client, run, lambda _: None)
    assert raised.value.fix.endswith(f"The run goes on: {stub.url}/#/runs/details/{run}")


def test_a_run_that_is_deleted_meanwhile_is_one_line(stub, client, project):
    run = submit(client, project).run_id
    stub.runs.clear()
    with pytest.raises(CorallineError, match="there is no such run any more"):
        follow(client, run, lambda _: None)


def test_ctrl_c_lets_the_run_go_on_and_says_how_to_end_it(stub, glasses, play, tmp_path):
    play(("RUNNING", {"crawl": "running"}))
    command = [Path(sys.executable).with_name("coralline"), "submit", glasses(), "--wait"]
    with subprocess.Popen(
        command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        killer = threading.Timer(60, process.kill)
        killer.start()
        for line in process.stdout:
            if line.startswith("crawl"):
                break
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()
        killer.cancel()
    (run,) = stub.runs
    assert process.returncode == 130
    assert error == (
        f"the run goes on; end it with: coralline runs cancel {tmp_path}/glasses.yaml {run}\n"
    )
    assert stub.runs[run]["state"] == "RUNNING"
