"""The way to Kubeflow Pipelines, and what is said where it leads nowhere."""

import pytest
from coralline.cluster.kubeflow.client import Kubeflow
from coralline.cluster.kubeflow.submit import submit
from kubeflow_stub import PAGE, PROXY


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


def test_without_an_endpoint_the_way_is_through_kubectl_s_cluster(
    stub, coralline_command, glasses, kubectl
):
    code, out, error = coralline_command("submit", glasses())
    (run,) = stub.runs
    assert (code, out.splitlines()[1]) == (0, f"http://localhost:8080/#/runs/details/{run}")
    assert "kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80" in error
    assert all(path.startswith(PROXY) for _, path, _ in stub.asked)


def test_who_is_not_let_in_through_kubectl_s_cluster_is_sent_to_kubectl(
    stub, coralline_command, glasses, kubectl
):
    stub.token = "another"
    code, _, error = coralline_command("submit", glasses())
    assert code == 2
    assert error == (
        "kubectl's context test: Kubeflow Pipelines wants to know who you are (401). "
        "See whether kubectl is let in: kubectl auth whoami.\n"
    )
