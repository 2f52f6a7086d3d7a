"""A run whose store's volume is full."""

import json
import subprocess

import pytest
from kind_cluster import kubectl, objects

pytestmark = pytest.mark.timeout(400)

NAME = "small-store"
SIZE = 6 << 20  # bytes: less than the demo's images and crops are
FOLDER = f"/var/local/{NAME}"


def named(kind, spec, version="v1"):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": NAME}, "spec": spec}


def apply(*things):
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": things})
    kubectl("apply", "--filename", "-", input=text)


@pytest.fixture
def small_store():
    """Another SeaweedFS as the overlay has it, on a volume that is a small disk of the node's."""
    (node,) = objects("nodes")
    mount = f"mkdir -p {FOLDER} && mount -t tmpfs -o size={SIZE},uid=1000 {NAME} {FOLDER}"
    on_node = ["docker", "exec", node["metadata"]["name"], "sh", "-c"]
    subprocess.run([*on_node, mount], check=True)
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": NAME,
        "resources": {"requests": {"storage": str(SIZE)}},
    }
    volume = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": NAME,
        "capacity": {"storage": str(SIZE)},
        "hostPath": {"path": FOLDER},
        "persistentVolumeReclaimPolicy": "Delete",
    }
    labels = {"app.kubernetes.io/name": NAME}
    deployment = json.loads(kubectl("get", "deployment", "seaweedfs", "-o", "json").stdout)["spec"]
    deployment["selector"] = {"matchLabels": labels}
    deployment["template"]["metadata"] = {"labels": labels}
    pod = deployment["template"]["spec"]
    (data,) = (one for one in pod["volumes"] if "persistentVolumeClaim" in one)
    data["persistentVolumeClaim"]["claimName"] = NAME
    pod["containers"][0]["command"] += ["-master.volumeSizeLimitMB=1", "-volume.max=64"]
    service = {"selector": labels, "ports": [{"port": 8333, "targetPort": "s3"}]}
    apply(
        named("PersistentVolume", volume),
        named("PersistentVolumeClaim", claim),
        named("Deployment", deployment, "apps/v1"),
        named("Service", service),
    )
    kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=2m")
    yield f"http://{NAME}:8333"
    kubectl("delete", "deployment,service,persistentvolumeclaim", NAME, "--timeout=1m")
    kubectl("delete", "persistentvolume", NAME, "--timeout=1m")
    subprocess.run([*on_node, f"umount {FOLDER}"], check=True)


def test_a_store_whose_volume_is_full(small_store, runner, run):
    endpoint = {"AWS_ENDPOINT_URL_S3": small_store, "AWS_DEFAULT_REGION": "us-east-1"}
    project = runner.project(kubernetes={"environment": endpoint})
    runner.begin(project, run)
    follower = runner.follow(project, run)
    printed, errors = follower.communicate(timeout=300)
    assert follower.returncode == 2, (printed, errors)
    (line,) = errors.splitlines()
    step, _, why = line.partition(" failed: ")
    assert step in ("crawl", "crop")
    assert why.startswith("s3://coralline/tests/")
    assert ": cannot write " in why
    assert why.endswith("Look at the service itself: its disk may be full.")
