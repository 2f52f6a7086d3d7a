"""A cluster's namespace, through the Kubernetes API."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from coralline_core.errors import CorallineError
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from coralline.cluster.jobs.manifests import CONTAINER
from coralline.cluster.jobs.objects import Event, Job, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)

_TIMEOUT = (5, 30)  # s to connect, s to read
_PATIENCE = Retry(total=6, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))
_CHOOSE = "Start it, or choose another with --context or `kubectl config use-context`."


class Cluster:
    """A namespace of the cluster that a context of kubectl's names.

    Args:
        namespace: The namespace.
        context: The context; the current one if nothing is said.

    Raises:
        CorallineError: There is no such context, or no cluster that answers.
    """

    def __init__(self, namespace: str, context: str | None = None) -> None:
        self._namespace = namespace
        configuration = _configuration(context)
        self._host = configuration.host
        configuration.retries = False  # whether there is a cluster at all is better known at once
        with self._failures():
            client.VersionApi(client.ApiClient(configuration)).get_code(
                _preload_content=False, _request_timeout=_TIMEOUT
            )
        self._logs = client.CoreV1Api(client.ApiClient(configuration))
        configuration.retries = _PATIENCE
        api = client.ApiClient(configuration)
        self._core, self._batch = client.CoreV1Api(api), client.BatchV1Api(api)

    def jobs(self, labels: str) -> list[Job]:
        """The Jobs with labels, as a selector has them: `a=1,b=2`."""
        return self._list(Job, self._batch.list_namespaced_job, label_selector=labels)

    def pods(self, labels: str) -> list[Pod]:
        """The pods with labels, the oldest first."""
        pods = self._list(Pod, self._core.list_namespaced_pod, label_selector=labels)
        return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp)

    def refusals(self, job: Job) -> list[str]:
        """Why a Job could not make its pod, each time that it could not."""
        fields = f"involvedObject.kind=Job,involvedObject.name={job.name},reason=FailedCreate"
        events = self._list(Event, self._core.list_namespaced_event, field_selector=fields)
        return [event.message for event in events]

    def log(self, pod: str, seconds: int | None) -> str | None:
        """A pod's log, each line with its time: of the last seconds, or all of it.

        None where it cannot be had: the pod has gone, or its node is lost.
        """
        since = {} if seconds is None else {"since_seconds": seconds}
        try:
            answer = self._logs.read_namespaced_pod_log(
                pod,
                self._namespace,
                container=CONTAINER,
                timestamps=True,
                _preload_content=False,
                _request_timeout=_TIMEOUT,
                **since,
            )
        except ApiException as error:
            if error.status in (401, 403):
                raise self._failure(error, pod) from error
            return None
        except HTTPError:
            return None  # if it is the cluster that is away, the next look at it says so
        text: str = answer.data.decode(errors="replace")
        return text

    def delete(self, job: Job) -> None:
        """Delete a Job and its pod, if they are there."""
        with suppress(_GoneError), self._failures(job.name):
            self._batch.delete_namespaced_job(
                job.name,
                self._namespace,
                propagation_policy="Background",
                _request_timeout=_TIMEOUT,
            )

    def _list(self, kind: type[M], call: Callable[..., Any], **selectors: str) -> list[M]:
        with self._failures():
            answer = call(
                self._namespace, _preload_content=False, _request_timeout=_TIMEOUT, **selectors
            )
        return [kind.model_validate(item) for item in json.loads(answer.data)["items"]]

    @contextmanager
    def _failures(self, of: str = "") -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise self._failure(error, of) from error
        except HTTPError as error:
            what = "the cluster does not answer"
            raise CorallineError(what, where=self._host, fix=_CHOOSE) from error

    def _failure(self, error: ApiException, of: str) -> CorallineError:
        match error.status:
            case 401:
                what, fix = "the cluster does not know you", "Log in to it anew."
            case 403:
                what = _message(error)
                fix = "Have the Role coralline-runner of k8s/base bound to you in the namespace."
            case 404 | 400:  # a pod's log, too, that is not there yet
                return _GoneError(_message(error), where=of or self._host)
            case _:
                what, fix = _message(error), _CHOOSE
        return CorallineError(what, where=self._host, fix=fix)


def _configuration(context: str | None) -> client.Configuration:
    """What kubectl is set up for; in a pod where it is not, the pod's own account."""
    configuration = client.Configuration()
    try:
        config.load_kube_config(client_configuration=configuration, context=context)
    except config.ConfigException as error:
        try:
            if context is not None:
                raise
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            fix = "Make a cluster (make kind-up), or have your cloud's command set up kubectl."
            raise CorallineError(f"no cluster is set up here: {error}", fix=fix) from error
    return configuration


class _GoneError(CorallineError):
    """There is no such thing, or not yet."""


def _message(error: ApiException) -> str:
    """What the API says in its answer's body."""
    try:
        message = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = f"{error.status} {error.reason}"
    return " ".join(str(message).split()).rstrip(".")
