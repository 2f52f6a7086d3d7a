"""What the cluster's own API says of every manifest, without making anything of it."""

import json
import subprocess

import pytest
import yaml
from kind_cluster import BUILT, ROOT, kubectl

FULL = {
    "kubernetes": {
        "service_account": "coralline",
        "pull_secrets": ["registry"],
        "node_selector": {"disk": "fast"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "steps": {
            "train": {
                "cpu": "2",
                "cpu_limit": "4",
                "memory": "6Gi",
                "accelerator": "nvidia.com/gpu",
                "shm": "1Gi",
                "timeout": "2h",
                "node_selector": {"gpu": "yes"},
            }
        },
    }
}


@pytest.fixture(params=[{}, FULL], ids=["demo", "every-setting"])
def manifests(request, runner):
    return runner.manifests(runner.project(**request.param), "dry")


def test_the_api_takes_the_jobs_of_a_run(manifests):
    dry = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = kubectl(*dry, input=manifests)
    assert len(done.stdout.splitlines()) == 8
    assert done.stderr == ""  # not even a warning that a pod would be refused as not restricted


def test_the_namespace_takes_the_pods_of_a_run(manifests):
    for job in list(yaml.safe_load_all(manifests))[1:]:
        template = job["spec"]["template"]
        metadata = {**template["metadata"], "name": job["metadata"]["name"]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))


def test_the_namespace_refuses_a_pod_that_is_not_restricted(manifests):
    job = list(yaml.safe_load_all(manifests))[1]
    spec = job["spec"]["template"]["spec"]
    del spec["containers"][0]["securityContext"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lax"}, "spec": spec}
    done = kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod), check=False)
    assert "violates PodSecurity" in done.stderr


@pytest.mark.parametrize("overlay", ["kind", "cloud/gke", "cloud/eks"])
def test_the_api_takes_each_overlay(overlay):
    folder = ROOT / "k8s" / "overlays" / overlay
    dry = ["apply", "--dry-run=server", "--validate=strict", "--kustomize", folder]
    done = kubectl(*dry)
    assert "networkpolicy.networking.k8s.io/steps-to-store" in done.stdout
    assert "Warning" not in done.stderr


def test_no_image_runs_as_root():
    for reference in json.loads(BUILT.read_text()).values():
        command = ["docker", "image", "inspect", "--format", "{{.Config.User}}", reference]
        user = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert user.strip() == "1000:1000"


def test_steps_may_ask_nothing_of_the_api():
    account = "system:serviceaccount:coralline:coralline"
    asked = kubectl("auth", "can-i", "--list", "--as", account).stdout.splitlines()
    allowed = {line.split()[0] for line in asked[1:] if not line.startswith(" ")}
    assert allowed <= {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
