"""What a run on Kubeflow Pipelines came to, and how that is told."""

import json
from types import SimpleNamespace

import pytest
from coralline import components
from coralline.cluster.kubeflow.outcome import read_summary
from coralline.cluster.kubeflow.submit import submit
from coralline.project import STEPS
from kubeflow_graph import driver, node, pod

DONE = dict.fromkeys(STEPS, "done")
SUMMARY = {
    "test": {"int8": {"accuracy": 0.95, "n": 100, "interval": [0.9, 0.98]}},
    "decision": "published: the first model",
    "gates": [{"key": "convert.min_agreement", "passed": True, "message": "agrees"}],
}
FAILED_GATE = {"key": "publish.min_accuracy", "passed": False, "message": "accuracy 70% is too low"}
# As the real one's logs are around it: Argo's lines, the launcher's, and those of kfp.
LOG = """\
time=2026-11-25T21:23:09.434Z level=INFO msg="capturing logs" argo=true
I1125 21:23:09.465563      20 main.go:67] Setting log level to: '1'
[KFP Executor 2026-11-25 21:23:09,670 INFO]: Got executor_input:
{step:<8} started
{said}
I1125 21:23:15.825500      20 launcher_v2.go:206] publish success.
F1125 21:23:15.834481      20 main.go:59] failed to execute component: {ended}
Error: exit status 1
"""
BROKE = "exit status 1"


def _log(step, said, ended=BROKE):
    return LOG.format(step=step, said=said, ended=ended)


def _said(summary):
    return _log("publish", f"publish  summary: {json.dumps(summary)}").replace("F1125", "I1125")


def test_wait_prints_what_came_of_it(stub, coralline_command, glasses, play):
    play(("RUNNING", {"crawl": "running"}), ("SUCCEEDED", DONE))
    stub.logs[node("publish")] = _said(SUMMARY)
    code, out, error = coralline_command("submit", glasses(), "--wait")
    assert (code, error) == (0, "")
    (run,) = stub.runs
    assert "accuracy  95.0%, int8 on 100 test crops (95%: 90.0% to 98.0%)\n" in out
    assert "decision  published: the first model\n" in out
    assert f"page      {stub.url}/#/runs/details/{run}\n" in out
    assert "crawl    started" in out
    assert "publish  done in 35.0 s" in out


def test_a_failed_gate_is_exit_3_also_here(stub, coralline_command, glasses, play):
    play(("SUCCEEDED", DONE | {"publish": "retried"}))
    stub.logs[node("publish", 0)] = _said(SUMMARY)  # of a try that was lost at its end
    stub.logs[node("publish", 1)] = _said(SUMMARY | {"gates": [FAILED_GATE]})
    code, out, error = coralline_command("submit", glasses(), "--wait", "--json")
    assert code == 3
    assert json.loads(out)["gates"] == [FAILED_GATE]
    assert error.splitlines()[-1].endswith(": accuracy 70% is too low")


def test_what_publish_says_is_what_is_read(stub, client, project, tmp_path, monkeypatch, capsys):
    summary = SUMMARY | {"decision": 'published:  "new\nline" é {}'}

    def execute(*_, published, **__):
        (tmp_path / "summary.json").write_text(json.dumps(summary, indent=1))
        (tmp_path / "report.html").write_text("<html>")

    monkeypatch.setattr("coralline_publisher.step.execute", execute)
    artifacts = components.wrapped(_Images()).publish.component_spec.inputs
    places = dict.fromkeys(artifacts, SimpleNamespace(path=str(tmp_path)))
    outputs = {
        "published": SimpleNamespace(path=str(tmp_path)),
        "page": SimpleNamespace(path=str(tmp_path / "page.html")),
        "report": SimpleNamespace(path=str(tmp_path / "report.json")),
    }
    components.publish(**(places | outputs))
    run = submit(client, project).run_id
    stub.play(run, "SUCCEEDED", stub.nodes(**DONE))
    stub.logs[node("publish")] = capsys.readouterr().out
    assert read_summary(client, client.run(run)) == summary


class _Images(dict):
    def __missing__(self, step):
        return f"coralline/{step}:1"


@pytest.mark.parametrize(
    ("log", "fault", "says"),
    [
        ("", None, "no log of `publish` says it"),  # as it is not kept
        (_said(SUMMARY).partition(', "gates"')[0], None, "no log of `publish` says it"),  # cut
        (_said(SUMMARY).replace("95", ""), None, "the log of `publish` is garbled where it says"),
        ("", 500, "Kubeflow Pipelines refuses (500): no healthy upstream"),
    ],
)
def test_where_the_log_cannot_be_had_the_page_is_named(
    stub, coralline_command, glasses, play, log, fault, says
):
    play(("SUCCEEDED", DONE))
    stub.logs[node("publish")] = log
    playing = stub.fault
    stub.fault = lambda *asked: fault if "main-logs" in asked[1] else playing(*asked)
    code, _, error = coralline_command("submit", glasses(), "--wait")
    (run,) = stub.runs
    page = f"{stub.url}/#/runs/details/{run}"
    assert (code, error.count("\n")) == (0, 1)
    assert error.startswith(f"done; what came of it is on its page: {page} (")
    assert says in error
    code, out, _ = coralline_command("submit", glasses(), "--wait", "--json")
    said = json.loads(out)
    assert (code, said["state"], said["summary"]) == (0, "SUCCEEDED", None)
    assert says in said["unread"]
    assert {one["state"] for one in said["steps"]} == {"done"}


def test_a_run_that_failed_is_json_too(stub, coralline_command, glasses, play):
    play(("FAILED", {"crawl": "failed"}))
    stub.logs[node("crawl")] = _log("crawl", "crawl    error: no site answers")
    code, out, error = coralline_command("submit", glasses(), "--wait", "--json")
    said = json.loads(out)
    assert (code, said["id"], said["state"]) == (1, *stub.runs, "FAILED")
    assert said["steps"][0]["state"] == "failed"
    assert said["failure"] == "crawl failed: no site answers"
    assert error.splitlines()[-1].endswith(": crawl failed: no site answers")


@pytest.mark.parametrize(
    ("logs", "says"),
    [
        ({}, "curate failed. Its log"),
        ({node("curate"): _log("curate", "")}, "curate failed: failed to execute component: exit "
         "status 1. Its log"),
        ({node("curate"): _log("curate", "", "failed to download input artifact")}, "curate failed:"
         " failed to execute component: failed to download input artifact. Its log"),
    ],
)  # fmt: skip
def test_a_step_that_has_not_said_why_it_failed_is_named_and_where_its_log_is(
    stub, coralline_command, glasses, play, logs, says
):
    play(("FAILED", {"crawl": "done", "curate": "failed"}))
    stub.logs = logs
    code, _, error = coralline_command("submit", glasses(), "--wait")
    (run,) = stub.runs
    assert code == 1
    assert error.splitlines()[-1] == (
        f"{stub.url}/#/runs/details/{run}: {says} is on that page; "
        f"kubectl get pods -n kubeflow -l pipeline/runid={run}."
    )


def test_a_step_that_could_not_be_prepared_is_told_from_its_driver(
    stub, coralline_command, glasses, play
):
    play(("FAILED", {"crawl": "done", "curate": "not prepared"}))
    stub.logs[driver("curate")] = _log("driver", "", "no such artifact").replace("component", "run")
    code, _, error = coralline_command("submit", glasses(), "--wait")
    assert code == 1
    assert ": curate failed: failed to execute run: no such artifact. " in error


def test_a_run_that_failed_before_its_first_step_names_the_workflow(
    stub, coralline_command, glasses, play
):
    play(("FAILED", {}))
    code, _, error = coralline_command("submit", glasses(), "--wait")
    (run,) = stub.runs
    assert code == 1
    assert error.endswith(
        ": the run failed before a step began. See why: kubectl describe workflow -n kubeflow "
        f"-l pipeline/runid={run}\n"
    )


MAIN = {"name": "main", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
OOM = {
    "phase": "Failed",
    "containerStatuses": [
        MAIN | {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    ],
}
BROKEN = {"phase": "Failed", "containerStatuses": [MAIN | {"state": {}}]}
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}


@pytest.mark.parametrize(
    ("step", "status", "says"),
    [
        ("train", OOM, "train failed: out of memory: it was killed at 8Gi. Give it more: "
         "kubernetes.steps.train.memory."),
        ("compile-model", BROKEN, "compile failed: the store cannot be read. See to the key."),
        ("crawl", EVICTED, "crawl failed: Evicted: The node was low on memory."),
    ],
)  # fmt: skip
def test_what_ended_a_pod_is_told_to_who_may_look_into_the_cluster(
    stub, coralline_command, glasses, play, kubectl, step, status, says
):
    name = step.partition("-")[0]
    before = dict.fromkeys(STEPS[: STEPS.index(name)], "done")
    play(("FAILED", before | {name: "failed"}))
    error = f"{name} error: the store cannot be read. See to the key."
    stub.logs[node(name)] = _log(name, error)

    original = stub.create_run

    def create(wanted):
        made = original(wanted)
        first = pod(made["run_id"], step, {"phase": "Failed", "reason": "Lost"})
        stub.pods = [pod(made["run_id"], step, status, 1, "last"), first]
        return made

    stub.create_run = create
    code, _, error = coralline_command("submit", glasses(), "--wait")
    assert code == 1
    assert error.splitlines()[-1].endswith(says)
