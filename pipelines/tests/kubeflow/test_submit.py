"""Submitting a project to Kubeflow Pipelines."""

import json

import pytest
from coralline.cluster.kubeflow.submit import submit, upload
from coralline.project import load_project
from kubeflow_stub import LOST


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
