"""What the containers of a run get of this machine's environment."""

from pathlib import Path

import pytest
from coralline.containers import Containers
from coralline_core.progress import ENVIRONMENT

CREDENTIALS = [
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
]
CERTIFICATES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE"]
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """An environment that says nothing, in a home with nothing."""
    for name in (*CREDENTIALS, *CERTIFICATES, *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(ENVIRONMENT, "progress.jsonl")


@pytest.fixture
def given():
    """The arguments with which Docker runs a step."""

    def given():
        containers = Containers(images={}, store="gs://bucket", read=(), written=())
        return containers.runner().container_run_args

    return given


@pytest.mark.parametrize("name", [*PROXIES, *map(str.lower, PROXIES)])
def test_steps_use_the_proxies_of_this_machine(name, given, monkeypatch):
    monkeypatch.setenv(name, "http://proxy:3128")
    assert given()["environment"][name] == "http://proxy:3128"


@pytest.mark.parametrize("name", CERTIFICATES)
def test_steps_trust_whom_this_machine_trusts(name, given, monkeypatch, tmp_path):
    file = tmp_path / "company.pem"
    file.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "company.pem")
    assert given()["environment"][name] == str(file.resolve())
    (mount,) = given()["mounts"]
    assert (Path(mount["Source"]), mount["Target"]) == (file.resolve(), str(file.resolve()))
    assert mount["ReadOnly"]


@pytest.mark.parametrize("value", [None, "", "nowhere.pem"])
def test_what_is_not_there_is_not_mounted(value, given, monkeypatch):
    if value is not None:
        monkeypatch.setenv("SSL_CERT_FILE", value)
    assert given()["mounts"] == []
    assert given()["environment"].get("SSL_CERT_FILE") == value
