"""Listing, showing and cancelling a project's runs."""

import json

import pytest
from coralline.cluster.kubeflow.submit import submit
from coralline.project import STEPS, load_project
from kubeflow_graph import node


def test_there_are_no_runs_at_first(stub, coralline_command, glasses):
    path = glasses()
    assert coralline_command("runs", path) == (0, "no runs\n", "")
    assert coralline_command("runs", "list", path, "--json") == (0, "[]\n", "")
    code, _, error = coralline_command("runs", "show", path)
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("coralline-glasses: the project has no run yet")
    assert stub.experiments == {}  # to look makes nothing


@pytest.fixture
def runs(stub, client, project):
    """Three runs, the newest first; the first one was started by a schedule, and is over."""
    found = [submit(client, project) for _ in range(3)][::-1]
    stub.runs[found[2].run_id]["recurring_run_id"] = "nightly"
    stub.play(found[2].run_id, "SUCCEEDED", stub.nodes(**dict.fromkeys(STEPS, "done")))
    return found


def test_the_newest_comes_first(stub, coralline_command, glasses, runs):
    stub.largest_page = 2
    code, out, _ = coralline_command("runs", glasses())
    head, *lines = out.splitlines()
    assert code == 0
    assert head.split() == ["run", "state", "began", "(UTC)", "by", "id"]
    assert [line.split()[-1] for line in lines] == [run.run_id for run in runs]
    assert [line.split()[-2] for line in lines] == ["hand", "hand", "schedule"]
    assert [line.split()[1] for line in lines] == ["PENDING", "PENDING", "SUCCEEDED"]
    _, out, _ = coralline_command("runs", glasses(), "--last", "1", "--json")
    assert [one["id"] for one in json.loads(out)] == [runs[0].run_id]


def test_another_project_s_runs_are_not_among_them(stub, coralline_command, glasses, runs, client):
    other = load_project(glasses(replaced={"name: glasses": "name: helmets"}), reach=False)
    helmets = submit(client, other)
    path = glasses()
    _, out, _ = coralline_command("runs", path, "--json")
    assert helmets.run_id not in out
    code, _, error = coralline_command("runs", "cancel", path, helmets.run_id)
    assert code == 2
    assert f"no run of the project is called {helmets.run_id}" in error
    assert stub.runs[helmets.run_id]["state"] == "PENDING"


def test_one_is_shown_with_its_steps(stub, coralline_command, glasses, runs):
    path = glasses()
    newest = runs[0].run_id
    stub.play(newest, "RUNNING", stub.nodes(crawl="done", curate="running"))
    code, out, _ = coralline_command("runs", "show", path)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, f"{runs[0].display_name}  RUNNING")
    assert lines[1] == f"{stub.url}/#/runs/details/{newest}"
    assert [line.split()[:2] for line in lines[2:4]] == [["crawl", "done"], ["curate", "running"]]
    for named in (runs[2].run_id, runs[2].run_id[:8], runs[2].display_name):
        _, out, _ = coralline_command("runs", "show", path, named, "--json")
        said = json.loads(out)
        assert (said["id"], said["state"], said["scheduled"]) == (runs[2].run_id, "SUCCEEDED", True)
        assert [step["state"] for step in said["steps"]] == ["done"] * 7


def test_what_came_of_one_is_told(stub, coralline_command, glasses, runs):
    path = glasses()
    over = runs[2].run_id
    summary = {
        "test": {"int8": {"accuracy": 0.95, "n": 100, "interval": [0.9, 0.98]}},
        "decision": "kept the champion: no better",
        "gates": [],
    }
    stub.logs[node("publish")] = f"publish  summary: {json.dumps(summary)}\n"
    code, out, _ = coralline_command("runs", "show", path, over)
    assert (code, out.splitlines()[-1]) == (0, "decision  kept the champion: no better")
    _, out, _ = coralline_command("runs", "show", path, over, "--json")
    assert json.loads(out)["summary"] == summary


def test_why_one_failed_is_told(stub, coralline_command, glasses, runs):
    newest = runs[0].run_id
    left = dict.fromkeys(STEPS[1:], "left out")
    stub.play(newest, "FAILED", stub.nodes(crawl="failed", **left))
    stub.logs[node("crawl")] = "crawl    error: no site answers\n"
    code, out, _ = coralline_command("runs", "show", glasses())
    assert code == 0
    assert [line.split() for line in out.splitlines()[2:4]] == [
        ["crawl", "failed", "35", "s"],
        ["curate", "not", "run"],
    ]
    assert out.splitlines()[-1] == "crawl failed: no site answers"


def test_a_run_is_cancelled(stub, coralline_command, glasses, runs):
    code, out, _ = coralline_command("runs", "cancel", glasses(), runs[0].run_id[:8])
    assert (code, out) == (0, f"cancelled {runs[0].display_name}\n")
    assert stub.runs[runs[0].run_id]["state"] == "CANCELING"


def test_a_run_that_is_over_cannot_be_cancelled(stub, coralline_command, glasses, runs):
    code, _, error = coralline_command("runs", "cancel", glasses(), runs[2].run_id)
    assert (code, error) == (2, f"{runs[2].display_name}: the run is over: SUCCEEDED\n")


def test_a_name_that_several_runs_have_is_refused(stub, coralline_command, glasses, runs):
    code, _, error = coralline_command("runs", "cancel", glasses(), "")
    assert code == 2
    assert "3 runs of the project are called" in error


@pytest.mark.parametrize("group", ["schedule", "runs"])
def test_each_verb_has_help_with_an_example(coralline_command, group):
    _, out, _ = coralline_command(group, "--help")
    verbs = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()]
    for verb in verbs:
        if verb != "Example:":
            code, out, _ = coralline_command(group, verb, "--help")
            assert code == 0
            assert "Example: coralline " in out
