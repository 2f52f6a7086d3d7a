"""What the cluster says of a run's pods: why they wait, and what has ended them.

The API of Kubeflow Pipelines says none of it: there a pod that finds no node is a task that is
pending, and stays so. Only who may look into the cluster is told; for others a command is named.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from coralline.cluster.kubeflow.connection import NAMESPACE
from coralline.project import STEPS

if TYPE_CHECKING:
    from kubernetes.client import V1Pod

_PATIENCE = 5  # s for an answer
_NODE = "workflows.argoproj.io/node-name"  # as x7k2p(0).root(0).compile-model(0).executor(1)
_STEP = re.compile(r"\.([a-z]+)[a-z-]*(?:\(\d+\))?\.executor(?:\(\d+\))?$")


class Pods(NamedTuple):
    """What is known of a run's pods.

    Attributes:
        waiting: Why a step's pod waits, by step.
        ended: What ended a step's last pod, by step, where it was not the step itself.
    """

    waiting: dict[str, str]
    ended: dict[str, str]


def command(run: str) -> str:
    """What shows a run's pods."""
    return f"kubectl get pods -n {NAMESPACE} -l pipeline/runid={run}"


def look(run: str) -> Pods | None:
    """See what the cluster says of a run's pods.

    Args:
        run: The run's id.

    Returns:
        None where kubectl is set up for no cluster, for one where we may not look, or for one
        that has no pod of the run, as it may be another than the API's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what its own dependencies have done away with
        from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        with config.new_client_from_config() as connection:
            listed = client.CoreV1Api(connection).list_namespaced_pod(
                NAMESPACE, label_selector=f"pipeline/runid={run}", _request_timeout=_PATIENCE
            )
            if not listed.items:
                return None
            pods = sorted(listed.items, key=lambda pod: pod.metadata.creation_timestamp)
            by_step = {step: pod for pod in pods if (step := _step_of(pod))}
            return Pods(
                {step: why for step, pod in by_step.items() if (why := _why_waiting(pod))},
                {step: why for step, pod in by_step.items() if (why := _why_ended(pod))},
            )
    except (config.ConfigException, client.ApiException, HTTPError):
        return None


def _step_of(pod: V1Pod) -> str | None:
    node = (pod.metadata.annotations or {}).get(_NODE, "")
    found = _STEP.search(node)
    return found[1] if found and found[1] in STEPS else None


def _why_waiting(pod: V1Pod) -> str | None:
    """Why a pod does not run: no node for it, or no image."""
    for condition in pod.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            why = str(condition.message or condition.reason)
            return why.partition(". ")[0]  # of preemption nobody has asked
    statuses = (pod.status.init_container_statuses or []) + (pod.status.container_statuses or [])
    for status in statuses:
        waiting = status.state and status.state.waiting
        if waiting and waiting.reason not in ("PodInitializing", "ContainerCreating"):
            return f"{waiting.reason}: {waiting.message or status.image}"
    return None


def _why_ended(pod: V1Pod) -> str | None:
    """What ended a pod that was not left to end by itself."""
    if pod.status.phase != "Failed":
        return None
    for status in pod.status.container_statuses or ():
        ended = status.state and status.state.terminated
        if status.name == "main" and ended and ended.reason == "OOMKilled":
            (main,) = (one for one in pod.spec.containers if one.name == "main")
            limits = (main.resources and main.resources.limits) or {}
            return f"out of memory: it was killed at {limits.get('memory', 'what the node has')}"
    if pod.status.reason:  # Evicted, DeadlineExceeded, and the like
        return f"{pod.status.reason}: {pod.status.message or ''}".rstrip(": ")
    return None
