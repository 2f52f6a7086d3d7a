"""What all our pods have in common: they may do next to nothing, and have settings in a file."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coralline.cluster.settings import KubernetesSettings, StepResources
    from coralline.project import Project

PROJECT = "app.kubernetes.io/part-of"
"""The label that says the project."""
SETTINGS = "/etc/coralline"
"""Where a pod finds its settings."""

_USER = 1000  # the images' own


def labels_of(project: Project) -> dict[str, str]:
    """The labels of all that is a project's. The network policies of `k8s/` go by the first."""
    return {
        "app.kubernetes.io/name": "coralline",
        "app.kubernetes.io/managed-by": "coralline",
        PROJECT: project.name.rstrip("-"),
    }


def settings_map(project: Project, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    """A ConfigMap with files of settings, named by what it says: it never changes.

    Args:
        project: Whose.
        name: How its name begins.
        data: By file, what is in it.
    """
    digest = hashlib.sha256(json.dumps(data).encode()).hexdigest()[:10]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{name}-{digest}",
            "namespace": project.kubernetes.namespace,
            "labels": labels_of(project),
        },
        "immutable": True,
        "data": {**data},
    }


def pod(
    cluster: KubernetesSettings,
    resources: StepResources,
    settings: tuple[str, str],
    **container: Any,
) -> dict[str, Any]:
    """The spec of a pod with one container, as the namespace takes it: restricted.

    Args:
        cluster: The project's section `kubernetes:`.
        resources: What the pod gets.
        settings: A ConfigMap, and the file of it that the pod sees under `SETTINGS`.
        container: What is its own: name, image, command, …
    """
    name, file = settings
    of_file = {"configMap": {"name": name, "items": [{"key": file, "path": file}]}}
    volumes: dict[str, tuple[str, dict[str, Any]]] = {
        "tmp": ("/tmp", {"emptyDir": {}}),  # noqa: S108 - the pod's own
        "settings": (SETTINGS, of_file),
    }
    if resources.shm:
        memory = {"medium": "Memory", "sizeLimit": resources.shm}
        volumes["shm"] = ("/dev/shm", {"emptyDir": memory})  # noqa: S108
    full = {
        **container,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(cluster),
        "resources": _resources(resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # Why it failed is then known with the pod, where nobody may read logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": name, "mountPath": at} for name, (at, _) in volumes.items()],
    }
    spec = {
        "serviceAccountName": cluster.service_account or "coralline",
        # Nothing of ours asks Kubernetes. A cloud's identity has a token of its own.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": name} for name in cluster.pull_secrets],
        "nodeSelector": resources.node_selector,
        "tolerations": [one.model_dump(exclude_none=True) for one in cluster.tolerations],
        "containers": [full],
        "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
    }
    return {key: value for key, value in spec.items() if value not in ([], {})}


def _environment(cluster: KubernetesSettings) -> list[dict[str, Any]]:
    said = [{"name": name, "value": value} for name, value in cluster.environment.items()]
    secret = cluster.secret
    keys = cluster.secret_keys if secret else ()
    return said + [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in keys
    ]


def _resources(pod: StepResources) -> dict[str, Mapping[str, str]]:
    limits = {"memory": pod.memory, "cpu": pod.cpu_limit}
    if pod.accelerator:
        limits[pod.accelerator] = str(pod.accelerator_count or 1)
    requests = {"cpu": pod.cpu, "memory": pod.memory}
    return {
        "requests": {name: value for name, value in requests.items() if value},
        "limits": {name: value for name, value in limits.items() if value},
    }
