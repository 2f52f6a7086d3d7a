"""Submitting a project to Kubeflow Pipelines, and following its run."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import pytest
from coralline.cluster.kubeflow import watch
from coralline.cluster.kubeflow.client import Kubeflow
from coralline.cluster.kubeflow.listing import newest
from coralline.cluster.kubeflow.submit import submit, upload
from coralline.cluster.kubeflow.watch import failure, follow, steps_of
from coralline.project import STEPS, load_project
from coralline_core.errors import CorallineError
from coralline_core.store import open_store
from kubeflow_stub import LOST, PAGE, PROXY
from kubernetes.config import kube_config

DONE = dict.fromkeys(STEPS, "done")
SUMMARY = {
    "test": {"int8": {"accuracy": 0.95, "n": 100, "interval": [0.9, 0.98]}},
    "decision": "published: the first model",
    "gates": [{"key": "convert.min_agreement", "passed": True, "message": "agrees"}],
}


@pytest.fixture
def play(stub):
    """Lets the run that is submitted go through states, one after another, as it is asked for."""

    def play(*states):
        remaining = list(states)

        def on_request(method, path):
            if method == "GET" and "/apis/v2beta1/runs/" in path:
                state, steps = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                stub.play(path.rpartition("/")[2], state, stub.nodes(**steps))

        stub.fault = on_request

    return play


def test_a_run_is_of_the_project_s_pipeline_as_it_is_now(stub, client, project):
    run = submit(client, project)
    (pipeline,) = stub.pipelines.values()
    (experiment,) = stub.experiments.values()
    (version,) = stub.versions.values()
    assert pipeline["name"] == experiment["display_name"] == "coralline-glasses"
    assert (
        stub.runs[run.run_id]
        | {
            "experiment_id": experiment["experiment_id"],
            "service_account": "coralline",
            "pipeline_version_reference": {
                "pipeline_id": pipeline["pipeline_id"],
                "pipeline_version_id": version["pipeline_version_id"],
            },
            "runtime_config": {"parameters": {}, "pipeline_root": "s3://coralline/runs"},
        }
        == stub.runs[run.run_id]
    )
    assert run.display_name.startswith("coralline-glasses-2")
    assert "coralline/publisher:21d1c85c3ce1" in stub.specs[version["pipeline_version_id"]]


def test_what_was_uploaded_before_is_used_again(stub, client, project):
    submit(client, project)
    submit(client, project)
    assert (len(stub.pipelines), len(stub.versions), len(stub.experiments)) == (1, 1, 1)
    assert len(stub.runs) == 2


def test_a_changed_project_is_a_new_version_and_going_back_is_the_old_one(
    stub, client, project, glasses
):
    first = upload(client, project)
    changed = load_project(glasses(replaced={"8Gi": "9Gi"}), reach=False)
    second = upload(client, changed)
    assert (first.pipeline, len(stub.versions)) == (second.pipeline, 2)
    assert first.name != second.name
    assert upload(client, project) == first


def test_among_many_things_of_the_same_kind_the_right_one_is_found(stub, client, project):
    stub.largest_page = 2
    names = [f"coralline-other-{n}" for n in range(5)]
    for name in names:
        client.experiment(name)
        client.pipeline(name)
    first = submit(client, project)
    for _ in range(5):
        submit(client, project)
    runs = list(client.runs(first.experiment_id))
    assert len(runs) == len({run.run_id for run in runs}) == 6
    assert runs[-1].run_id == first.run_id  # the newest first, over all pages
    assert len(stub.experiments) == 6


WRITES = ("pipelines", "upload_version", "experiments", "runs")


@pytest.mark.parametrize("lost", WRITES)
@pytest.mark.parametrize("fault", [503, LOST])
def test_an_answer_that_is_lost_makes_nothing_twice(stub, client, project, lost, fault):
    left = [fault]

    def once(method, path):
        if method == "POST" and path.rpartition("/")[2] == lost:
            return left.pop() if left else None
        return None

    stub.fault = once
    submit(client, project)
    made = (stub.pipelines, stub.versions, stub.experiments, stub.runs)
    assert [len(one) for one in made] == [1, 1, 1, 1]
    assert left == []


def test_what_somebody_else_has_just_made_is_taken(stub, client, project):
    uploaded = upload(client, project)
    hidden, stub.versions = stub.versions, {}

    def appears(method, path):  # between the look and the upload
        if path.endswith("upload_version"):
            stub.versions = hidden

    stub.fault = appears
    assert upload(client, project) == uploaded
    assert ("POST", "/apis/v2beta1/pipelines/upload_version", None) in stub.asked


def test_a_short_outage_is_waited_out(stub, client, project):
    left = [503, 502, 504]
    stub.fault = lambda method, _: left.pop() if method == "GET" and left else None
    submit(client, project)
    assert left == []


def test_the_command_prints_the_run_s_page(stub, coralline_command, glasses, monkeypatch):
    code, out, error = coralline_command("submit", glasses())
    (run,) = stub.runs
    assert (code, error) == (0, "")
    assert out.splitlines()[1] == f"{stub.url}/#/runs/details/{run}"
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.org/pipeline/")
    code, out, error = coralline_command("submit", glasses(), "--json")
    said = json.loads(out)
    assert said["page"] == f"https://kubeflow.example.org/pipeline/#/runs/details/{said['id']}"
    assert said["state"] == "PENDING"


def test_the_endpoint_of_the_project_file_comes_first(
    stub, coralline_command, glasses, monkeypatch
):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:1")
    assert coralline_command("submit", glasses(f"endpoint: {stub.url}/"))[0] == 0


def test_a_token_is_sent_and_read_anew_from_its_file(stub, project, monkeypatch, tmp_path):
    stub.token = "first"
    file = tmp_path / "token"
    file.write_text("first\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(file))
    client = Kubeflow(None)
    submit(client, project)
    stub.token = "second"  # as a kubelet does every hour
    file.write_text("second\n")
    submit(client, project)
    assert len(stub.runs) == 2
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "second")
    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH")
    submit(Kubeflow(None), project)


@pytest.mark.parametrize(
    ("fault", "says", "does"),
    [
        (401, "wants to know who you are (401)", "KF_PIPELINES_TOKEN"),
        (302, "wants to know who you are (302)", "KF_PIPELINES_TOKEN"),
        (403, "not allowed: no healthy upstream", "Ask whoever runs the cluster"),
        (503, "is not ready (503)", "kubectl get pods -n kubeflow"),
        (500, "refuses (500): no healthy upstream", ""),
        (PAGE, "not the API of Kubeflow Pipelines: it answers with text/html", "healthz"),
    ],
)
def test_what_the_api_refuses_is_one_line(stub, coralline_command, glasses, fault, says, does):
    stub.fault = lambda *_: fault
    code, out, error = coralline_command("submit", glasses())
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert error.startswith(stub.url)
    assert says in error
    assert does in error
    assert stub.runs == {}


def test_nobody_at_the_endpoint_is_one_line(coralline_command, glasses, stub):
    path = glasses("endpoint: http://127.0.0.1:1")
    code, out, error = coralline_command("submit", path)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert error.startswith("http://127.0.0.1:1: Kubeflow Pipelines cannot be reached: ")
    assert "Connection refused" in error
    assert "make kfp-up" in error


def test_a_cluster_without_kubeflow_is_named(stub, coralline_command, glasses, kubectl):
    stub.installed = False
    code, _, error = coralline_command("submit", glasses())
    assert code == 2
    assert error == (
        "kubectl's context test: no Kubeflow Pipelines is in this cluster: services "
        '"ml-pipeline" not found. Choose another context of kubectl, or install it: make kfp-up.\n'
    )


def test_no_cluster_at_all_is_one_line(coralline_command, glasses, stub, monkeypatch):
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    code, _, error = coralline_command("submit", glasses())
    assert (code, len(error.splitlines())) == (2, 1)
    assert "no way to Kubeflow Pipelines is known: Invalid kube-config file" in error
    assert "KF_PIPELINES_ENDPOINT" in error


@pytest.fixture
def kubectl(stub, tmp_path, monkeypatch):
    """kubectl set up for a cluster whose API server is the stub's."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": stub.url}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    # It looks at KUBECONFIG when it is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    stub.token = "secret"


def test_without_an_endpoint_the_way_is_through_kubectl_s_cluster(
    stub, coralline_command, glasses, kubectl
):
    code, out, error = coralline_command("submit", glasses())
    (run,) = stub.runs
    assert (code, out.splitlines()[1]) == (0, f"http://localhost:8080/#/runs/details/{run}")
    assert "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80" in error
    assert all(path.startswith(PROXY) for _, path, _ in stub.asked)


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
    assert states == ["done", "failed", *["to come"] * 5]
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
    assert failure(over, "page") is None


def test_wait_prints_what_came_of_it(stub, coralline_command, glasses, play, s3_address):
    path = glasses(replaced=_in(s3_address))
    play(("RUNNING", {"crawl": "running"}), ("SUCCEEDED", DONE))
    _publish(stub, path, s3_address, SUMMARY)
    code, out, error = coralline_command("submit", path, "--wait")
    assert (code, error) == (0, "")
    (run,) = stub.runs
    assert "accuracy  95.0%, int8 on 100 test crops (95%: 90.0% to 98.0%)\n" in out
    assert "decision  published: the first model\n" in out
    assert f"page      {stub.url}/#/runs/details/{run}\n" in out
    assert "crawl    started" in out
    assert "publish  done in 35.0 s" in out


def test_a_failed_gate_is_exit_3_also_here(stub, coralline_command, glasses, play, s3_address):
    path = glasses(replaced=_in(s3_address))
    play(("SUCCEEDED", DONE))
    gate = {"key": "publish.min_accuracy", "passed": False, "message": "accuracy 70% is too low"}
    _publish(stub, path, s3_address, SUMMARY | {"gates": [gate]})
    code, out, error = coralline_command("submit", path, "--wait", "--json")
    assert code == 3
    assert json.loads(out)["decision"] == "published: the first model"
    assert error.splitlines()[-1].endswith(": accuracy 70% is too low")


def test_where_the_results_cannot_be_read_the_page_is_named(stub, coralline_command, glasses, play):
    path = glasses(replaced={"  pipeline_root: s3://coralline/runs\n": ""})
    play(("SUCCEEDED", DONE))
    code, _, error = coralline_command("submit", path, "--wait")
    (run,) = stub.runs
    assert (code, error) == (
        0,
        f"done; what came of it is on its page: {stub.url}/#/runs/details/{run}\n",
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_who_has_no_credentials_for_the_results_is_told_that_the_run_is_done(
    stub, coralline_command, glasses, play, s3_address, monkeypatch, options
):
    path = glasses(replaced=_in(s3_address))
    play(("SUCCEEDED", DONE))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers credentials
    code, out, error = coralline_command("submit", path, "--wait", *options)
    assert code == 0
    assert error.splitlines()[-1].startswith(
        f"done; what came of it cannot be read from here: {s3_address.partition('?')[0]}/runs"
    )
    if options:
        said = json.loads(out)
        assert (said["id"], said["state"]) == (*stub.runs, "SUCCEEDED")
        assert {one["state"] for one in said["steps"]} == {"done"}


def test_a_run_that_failed_is_json_too(stub, coralline_command, glasses, play):
    play(("FAILED", {"crawl": "failed"}))
    code, out, error = coralline_command("submit", glasses(), "--wait", "--json")
    said = json.loads(out)
    assert (code, said["id"], said["state"]) == (1, *stub.runs, "FAILED")
    assert said["steps"][0]["state"] == "failed"
    assert "crawl failed. " in error.splitlines()[-1]


def test_a_failed_step_is_named_and_where_its_log_is(stub, coralline_command, glasses, play):
    play(("FAILED", {"crawl": "done", "curate": "failed"}))
    code, _, error = coralline_command("submit", glasses(), "--wait")
    (run,) = stub.runs
    assert code == 1
    assert error.splitlines()[-1] == (
        f"{stub.url}/#/runs/details/{run}: curate failed. Its log is on that page; "
        f"kubectl get pods -n kubeflow -l pipeline/runid={run}."
    )


def _pod(run, step, status, number=0, name="pod"):
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-11-25T03:00:0{number}Z",
            "labels": {"pipeline/runid": run},
            "annotations": {
                "workflows.argoproj.io/node-name": f"x(0).root(0).{step}(0).executor({number})"
            },
        },
        "spec": {
            "containers": [
                {"name": "wait"},  # Argo's own
                {"name": "main", "resources": {"limits": {"memory": "8Gi"}}},
            ]
        },
        "status": status,
    }


OOM = {
    "phase": "Failed",
    "containerStatuses": [
        {
            "name": "main",
            "image": "i",
            "imageID": "i",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }
    ],
}
BROKE = {**OOM, "containerStatuses": [OOM["containerStatuses"][0] | {"state": {}}]}


@pytest.mark.parametrize(
    ("step", "status", "says"),
    [
        ("train", OOM, "train failed: out of memory: it was killed at 8Gi. Give it more: "
         "kubernetes.steps.train.memory."),
        ("compile-model", BROKE, "compile failed: the store cannot be read. See to the key."),
        ("crawl", {"phase": "Failed", "reason": "Evicted", "message": "The node was low on "
         "resource: memory."}, "crawl failed: Evicted: The node was low on resource: memory."),
    ],
)  # fmt: skip
def test_who_may_look_into_the_cluster_is_told_why(
    stub, coralline_command, glasses, play, kubectl, step, status, says
):
    name = step.partition("-")[0]
    before = dict.fromkeys(STEPS[: STEPS.index(name)], "done")
    play(("FAILED", before | {name: "failed"}))
    stub.logs["last"] = f"Loading\n{name} error: the store cannot be read. See to the key.\nbye\n"

    original = stub._create_run

    def create(wanted):
        made = original(wanted)
        first = _pod(made["run_id"], step, {"phase": "Failed", "reason": "Lost"})
        stub.pods = [_pod(made["run_id"], step, status, 1, "last"), first]
        return made

    stub._create_run = create
    code, _, error = coralline_command("submit", glasses(), "--wait")
    assert code == 1
    assert error.splitlines()[-1].endswith(says)


UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu.",
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
        (UNSCHEDULABLE, "0/1 nodes are available: 1 Insufficient cpu."),
        (UNPULLED, "ImagePullBackOff: coralline/crawler:1"),
    ],
)
def test_a_pod_that_waits_is_spoken_of_with_the_reason(
    stub, project, play, kubectl, monkeypatch, status, says
):
    monkeypatch.setattr(watch, "_LONG", watch.timedelta(0))
    client = Kubeflow(None)
    run = submit(client, project).run_id
    stub.pods = [_pod(run, "crawl", status)]
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
    stub.pods = [_pod("of another run", "crawl", UNSCHEDULABLE)]
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
    over = follow(client, run, lambda _: None)
    assert failure(over, "page").what == "the run was cancelled"


def test_a_run_that_was_cancelled_between_two_looks_is_told_from_a_failed_one(
    stub, client, project, play
):
    run = submit(client, project).run_id
    client.cancel(run)
    play(("FAILED", {"crawl": "failed"}))
    assert failure(follow(client, run, lambda _: None), "page").what == "the run was cancelled"
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


def _in(address):
    """The golden project's places, in a real bucket."""
    base, _, query = address.partition("?")
    endpoint = query.partition("endpoint=")[2].partition("&")[0]
    return {
        "uri: s3://coralline/glasses": f"uri: {base}/store\n  region: us-east-1",
        "http://seaweedfs.coralline.svc:8333": endpoint,
        "s3://coralline/runs": f"{base}/runs",
    }


def _publish(stub, path, address, summary):
    """Have each run that is started leave a summary where the launcher would put it."""
    original = stub._create_run

    def create(wanted):
        made = original(wanted)
        base, _, query = address.partition("?")
        root = open_store(f"{base}/runs?{query}")
        for attempt, content in (("a-first-try", {"gates": []}), ("another", summary)):
            key = f"coralline-glasses/{made['run_id']}/publish/{attempt}/published/summary.json"
            root.put(key, json.dumps(content).encode())
            time.sleep(1.1)  # S3 tells times in whole seconds
        return made

    stub._create_run = create
