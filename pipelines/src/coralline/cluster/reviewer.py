"""The reviewer of a project on a cluster: a Deployment, and a Service to reach it by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from coralline_reviewer.settings import ReviewSettings

from coralline.cluster.pod import SETTINGS, labels_of, pod, settings_map
from coralline.cluster.portable import require_portable
from coralline.cluster.settings import StepResources
from coralline.images import reviewer_image

if TYPE_CHECKING:
    from coralline.project import Project

_FILE = "review.json"
_PORT = 8080
_LONGEST = 63  # of a Service's name
_GRACE = 10  # s; what was sent by then is written first, which takes 5 at most
_PRIORITY = "coralline-review"


def reviewer(project: Project) -> list[dict[str, Any]]:
    """What `kubectl apply` takes: the labels, the server, and its address in the namespace.

    Applied again after the project file changed, the server starts anew with the new labels.

    Raises:
        CorallineError: The store is a folder of this machine, or the image is not named.
    """
    require_portable(project)
    review = ReviewSettings(name=project.name, labels=tuple(project.labels))
    name = _name(project)
    settings = settings_map(project, name, {_FILE: review.model_dump_json()})
    labels = {**labels_of(project), "app.kubernetes.io/component": "reviewer"}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": {**labels}},
        "template": {
            "metadata": {"labels": {**labels}},
            "spec": _pod(project, settings["metadata"]["name"]),
        },
    }
    service = {
        "selector": {**labels},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
    }

    def named(version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        namespace = project.kubernetes.namespace
        metadata = {"name": name, "namespace": namespace, "labels": {**labels}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

    return [settings, named("apps/v1", "Deployment", deployment), named("v1", "Service", service)]


def _pod(project: Project, settings: str) -> dict[str, Any]:
    cluster, asked = project.kubernetes, project.kubernetes.reviewer
    command = ["python", "-m", "coralline_reviewer", "--settings", f"{SETTINGS}/{_FILE}"]
    command += ["--store", project.arguments()["store"], "--host", "0.0.0.0"]  # noqa: S104
    command += ["--port", str(_PORT)]
    for host in asked.hosts:
        command += ["--allow-host", host]
    if asked.who_header:
        command += ["--who-header", asked.who_header]
    spec = pod(
        cluster,
        StepResources(cpu=asked.cpu, memory=asked.memory, node_selector=cluster.node_selector),
        settings=(settings, _FILE),
        name="reviewer",
        image=reviewer_image(cluster.images),
        command=command,
        ports=[{"name": "http", "containerPort": _PORT}],
        readinessProbe={"httpGet": _health(), "periodSeconds": 5},
        livenessProbe={"httpGet": _health(), "periodSeconds": 20, "timeoutSeconds": 5},
    )
    return {"priorityClassName": _PRIORITY, "terminationGracePeriodSeconds": _GRACE, **spec}


def _name(project: Project) -> str:
    """A Service's, and no other project's: one that is cut has a hash of the whole."""
    whole = f"reviewer-{project.name}"
    if len(whole) <= _LONGEST and not whole.endswith("-"):
        return whole
    digest = hashlib.sha256(project.name.encode()).hexdigest()[:8]
    return f"{whole[: _LONGEST - len(digest) - 1].rstrip('-')}-{digest}"


def _health() -> dict[str, Any]:
    return {"path": "/healthz", "port": "http"}
