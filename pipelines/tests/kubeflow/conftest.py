"""What these tests share: the API's stand-in, a project for it, and the command."""

import json
import sys
from pathlib import Path

import pytest
from coralline.cli import main
from coralline.cluster.kubeflow import client, watch
from coralline.cluster.kubeflow import submit as uploading
from coralline.cluster.kubeflow.client import Kubeflow
from coralline.cluster.kubeflow.compile import compile_project
from coralline.project import load_project
from kubeflow_stub import KubeflowStub
from kubernetes.config import kube_config

GOLDEN = Path(__file__).with_name("golden")
_COMPILED = {}


def _compiled_once(project):
    """kfp takes half a second for it, and the same project is compiled again and again here."""
    key = project.model_dump_json()
    if key not in _COMPILED:
        _COMPILED[key] = compile_project(project)
    return _COMPILED[key]


@pytest.fixture
def stub(monkeypatch):
    with KubeflowStub() as server:
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        monkeypatch.setattr(client, "_WAITS", (0.01, 0.01, 0.01))
        monkeypatch.setattr(uploading, "compile_project", _compiled_once)
        monkeypatch.setattr(watch, "_LOOK", 0.002)
        for name in (
            "KF_PIPELINES_TOKEN",
            "KF_PIPELINES_SA_TOKEN_PATH",
            "KF_PIPELINES_UI_ENDPOINT",
        ):
            monkeypatch.delenv(name, raising=False)
        # No cluster of this machine's: of processes that are started, and of this one.
        monkeypatch.setenv("KUBECONFIG", "/nowhere")
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere")
        yield server


@pytest.fixture(name="client")
def _client(stub):
    return Kubeflow(None)


@pytest.fixture
def glasses(tmp_path):
    """Writes the project file, with something added to its `kubernetes` section, or replaced."""

    def write(more="", replaced=()):
        text = (GOLDEN / "glasses.yaml").read_text()
        for old, new in dict(replaced).items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "images.json").write_bytes((GOLDEN / "images.json").read_bytes())
        path = tmp_path / "glasses.yaml"
        path.write_text(text.replace("kubernetes:\n", f"kubernetes:\n  {more}\n"))
        return path

    return write


@pytest.fixture
def project(glasses):
    return load_project(glasses(), reach=False)


@pytest.fixture
def coralline_command(monkeypatch, capsys):
    """Runs the command in this process: its exit code, and what it said on stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["coralline", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return run


@pytest.fixture
def play(stub):
    """Lets the run that is submitted go through states, one after another, as it is asked for."""

    def play(*states):
        remaining = list(states)

        def on_request(method, path):
            if method == "GET" and path.rpartition("/")[0].endswith("/runs"):
                state, steps = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                stub.play(path.rpartition("/")[2], state, stub.nodes(**steps))

        stub.fault = on_request

    return play


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
