"""Stores of each kind for the tests of every package; the buckets are on real servers."""

import uuid

import pytest
from coralline_core.store import open_store
from faulty_proxy import FaultyProxy
from hypothesis import settings
from object_stores import fake_gcs, make_gs_bucket, make_s3_bucket, seaweed

# How long a test takes says nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def gcs(tmp_path_factory):
    """A fake-gcs-server; yields its URL."""
    with fake_gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server.url


@pytest.fixture
def gs_address(gcs, monkeypatch):
    """A new bucket of the fake-gcs-server, and a prefix in it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    make_gs_bucket(gcs, bucket)
    return f"gs://{bucket}/some/prefix"


@pytest.fixture
def gs_store(gs_address):
    """A store in it."""
    return open_store(gs_address)


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    """A SeaweedFS with its S3 gateway and one bucket for all tests; yields its URL.

    Each bucket would take volumes of its own.
    """
    with seaweed(tmp_path_factory.mktemp("weed")) as server:
        make_s3_bucket(server.url, "bucket")
        yield server.url


@pytest.fixture
def s3_address(weed, monkeypatch):
    """A prefix of one's own in the bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return f"s3://bucket/some/{uuid.uuid4().hex}?endpoint={weed}&region=us-east-1"


@pytest.fixture
def s3_store(s3_address):
    """A store in it."""
    return open_store(s3_address)


@pytest.fixture(params=["file", "gs", "s3"])
def any_address(request, tmp_path):
    """An empty store's address, of each kind in turn."""
    if request.param == "file":
        return (tmp_path / "store").as_uri()
    return request.getfixturevalue(f"{request.param}_address")


@pytest.fixture(params=["gs", "s3"])
def faulty(request, monkeypatch):
    """An empty bucket behind a proxy with faults, of each kind in turn: the address, the proxy."""
    address = request.getfixturevalue(f"{request.param}_address")
    server = request.getfixturevalue("gcs" if request.param == "gs" else "weed")
    with FaultyProxy(server) as proxy:
        if request.param == "gs":
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield address.replace(server, proxy.url), proxy
