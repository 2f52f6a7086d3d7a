"""What is asked of Kubeflow Pipelines, so that an answer that is lost does no harm.

What only looks, and what may be done twice, is asked again for a while when the API is not ready.
What makes something has a name for it: it is looked for before it is made again, so that no run is
started twice.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import kfp_server_api as api
from coralline_core.errors import CorallineError

from coralline.cluster.kubeflow.connection import NAMESPACE, ApiError, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_PAGE = 100
_PASSING = {0, 429, 502, 503, 504}
_WAITS = (1.0, 2.0, 4.0, 8.0)  # s before each further try
_PODS = f"See whether it runs: kubectl get pods -n {NAMESPACE}"


class AwayError(CorallineError):
    """The API, or what it needs, does not answer now, and may soon."""


class Kubeflow:
    """An installation of Kubeflow Pipelines.

    Args:
        endpoint: The URL of its API, if the project file says one.

    Raises:
        CorallineError: As every method does: it cannot be reached, or refuses, and what to do; an
            AwayError where that may pass.
    """

    def __init__(self, endpoint: str | None) -> None:
        self._connection = connect(endpoint)
        client = self._connection.client
        self._pipelines = api.PipelineServiceApi(client)
        self._uploads = api.PipelineUploadServiceApi(client)
        self._experiments = api.ExperimentServiceApi(client)
        self._runs = api.RunServiceApi(client)
        self._recurring = api.RecurringRunServiceApi(client)

    def page(self, run: str) -> str:
        """The URL of a run's page."""
        return f"{self._connection.ui}/#/runs/details/{run}"

    @property
    def page_hint(self) -> str | None:
        """What must be done before a page can be seen, if anything."""
        if not self._connection.forwarded:
            return None
        return f"kubectl port-forward -n {NAMESPACE} svc/ml-pipeline-ui 8080:80"

    def pipeline(self, name: str) -> str:
        """The id of the pipeline of this name, which is made if there is none."""

        def find() -> Any:
            return self._look(self._pipelines.pipeline_service_get_pipeline_by_name, name)

        def make() -> Any:
            pipeline = api.V2beta1Pipeline(name=name, display_name=name)
            return self._pipelines.pipeline_service_create_pipeline(pipeline)

        return str(self._made(find, make).pipeline_id)

    def version(self, pipeline: str, name: str, text: str) -> str:
        """The id of a pipeline's version of this name, which is uploaded if there is none.

        Args:
            pipeline: The pipeline's id.
            name: The version's name.
            text: The pipeline's IR, in YAML.
        """
        listing = self._pipelines.pipeline_service_list_pipeline_versions

        def find() -> Any:
            return next(self._named("pipeline_versions", listing, "name", name, pipeline), None)

        def make() -> Any:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "pipeline.yaml")
                file.write_text(text, encoding="utf-8")
                return self._uploads.upload_pipeline_version(
                    str(file), name=name, display_name=name, pipelineid=pipeline
                )

        return str(self._made(find, make).pipeline_version_id)

    def find_experiment(self, name: str) -> str | None:
        """The id of the experiment of this name, if there is one."""
        listing = self._experiments.experiment_service_list_experiments
        found = next(self._named("experiments", listing, "display_name", name), None)
        return found and str(found.experiment_id)

    def experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        experiment = api.V2beta1Experiment(display_name=name)
        create = self._experiments.experiment_service_create_experiment

        def make() -> str:
            return str(create(experiment).experiment_id)

        return self._made(lambda: self.find_experiment(name), make)

    def start(self, run: api.V2beta1Run) -> api.V2beta1Run:
        """Start a run, whose name nobody else gives."""
        listing, name = self._runs.run_service_list_runs, run.display_name
        options = {"experiment_id": run.experiment_id}
        return self._made(
            lambda: next(self._named("runs", listing, "display_name", name, **options), None),
            lambda: self._runs.run_service_create_run(run),
        )

    def run(self, run: str) -> api.V2beta1Run | None:
        """A run by its id, with its tasks' states, if there is one."""
        return self._look(self._runs.run_service_get_run, run)

    def runs(self, experiment: str) -> Iterator[api.V2beta1Run]:
        """The runs of an experiment, the newest first."""
        options = {"experiment_id": experiment, "sort_by": "created_at desc"}
        return self._listed("runs", self._runs.run_service_list_runs, **options)

    def log(self, run: str, node: str) -> str | None:
        """What a pod of a run has said, as it was kept when the pod ended.

        Args:
            run: The run's id.
            node: The pod's node in the run's graph.

        Returns:
            None where no log of it is kept.
        """
        answer = self._look(self._read_log, run, node)
        return base64.b64decode(answer["data"]).decode(errors="replace") if answer else None

    def cancel(self, run: str) -> None:
        """End a run that is not over."""
        self._asked(self._runs.run_service_terminate_run, run)

    def schedules(self, experiment: str, name: str) -> list[api.V2beta1RecurringRun]:
        """The recurring runs of an experiment that have this name."""
        listing = self._recurring.recurring_run_service_list_recurring_runs
        options = {"experiment_id": experiment}
        return list(self._named("recurring_runs", listing, "display_name", name, **options))

    def add_schedule(
        self, schedule: api.V2beta1RecurringRun, find: Callable[[], api.V2beta1RecurringRun | None]
    ) -> api.V2beta1RecurringRun:
        """Make a recurring run, unless `find` finds it: names of such may be there twice."""
        create = self._recurring.recurring_run_service_create_recurring_run
        return self._made(find, lambda: create(schedule))

    def enable_schedule(self, schedule: str) -> None:
        """Let a recurring run go on."""
        self._asked(self._recurring.recurring_run_service_enable_recurring_run, schedule)

    def disable_schedule(self, schedule: str) -> None:
        """Let a recurring run start nothing until it is enabled again."""
        self._asked(self._recurring.recurring_run_service_disable_recurring_run, schedule)

    def delete_schedule(self, schedule: str) -> None:
        """Delete a recurring run, if it is there. What it has started runs on."""
        delete = self._recurring.recurring_run_service_delete_recurring_run
        self._look(delete, schedule, propagation_policy=api.V2beta1DeletePropagationPolicy.ORPHAN)

    def _read_log(self, run: str, node: str) -> dict[str, str]:
        # The one path of the API that the generated client has not.
        answer: dict[str, str] = self._connection.client.call_api(
            "/apis/v2beta1/runs/{run}/nodes/{node}/artifacts/main-logs:read",
            "GET",
            path_params={"run": run, "node": node},
            auth_settings=["Bearer"],
            response_type="object",
            _return_http_data_only=True,
        )
        return answer

    def _named(
        self, what: str, listing: Callable[..., Any], key: str, name: str, *at: str, **options: Any
    ) -> Iterator[Any]:
        """Everything with a name; the API's filter is asked, and its answer not taken on trust."""
        predicate = {"operation": "EQUALS", "key": key, "stringValue": name}
        options["filter"] = json.dumps({"predicates": [predicate]})
        listed = self._listed(what, listing, *at, **options)
        return (one for one in listed if getattr(one, key) == name)

    def _listed(
        self, what: str, listing: Callable[..., Any], *at: str, **options: Any
    ) -> Iterator[Any]:
        token = ""
        while True:
            answer = self._asked(listing, *at, page_token=token, page_size=_PAGE, **options)
            yield from getattr(answer, what) or ()
            if not (token := answer.next_page_token):
                return

    def _look(self, call: Callable[..., T], *arguments: str, **options: str) -> T | None:
        """The answer; None where there is no such thing."""
        try:
            return self._tried(call, *arguments, **options)
        except ApiError as failure:
            if failure.status == 404 and not _is_cluster_s(failure):
                return None
            raise self._error(failure) from failure

    def _asked(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        try:
            return self._tried(call, *arguments, **options)
        except ApiError as failure:
            raise self._error(failure) from failure

    def _tried(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        for wait in _WAITS:
            try:
                return call(*arguments, **options)
            except ApiError as failure:
                if failure.status not in _PASSING:
                    raise
                time.sleep(wait)
        return call(*arguments, **options)

    def _made(self, find: Callable[[], T | None], make: Callable[[], T]) -> T:
        """What is found, or else made; of a try that was not answered it is seen what it did."""
        failure = None
        for wait in (*_WAITS, 0.0):
            if (found := find()) is not None:
                return found
            try:
                return make()
            except ApiError as error:
                # 409: somebody else has just made it.
                if error.status not in _PASSING | {409}:
                    raise self._error(error) from error
                failure = error
                time.sleep(wait)
        if (found := find()) is not None:
            return found
        assert failure is not None  # noqa: S101 - or it would have been made
        raise self._error(failure) from failure

    def _error(self, failure: ApiError) -> CorallineError:
        fix: str | None
        match failure.status:
            case 0:
                what = f"Kubeflow Pipelines cannot be reached: {failure.message}"
                fix = "Set kubernetes.endpoint to its URL; `make kfp-up` installs it in a cluster."
            case 401 | 301 | 302 | 303 | 307 | 308:
                what = f"Kubeflow Pipelines wants to know who you are ({failure.status})"
                fix = self._connection.login
            case 403:
                what = f"not allowed: {failure.message}"
                fix = "Ask whoever runs the cluster for the right, or use another account."
            case 404 if _is_cluster_s(failure):
                what = f"no Kubeflow Pipelines is in this cluster: {failure.message}"
                fix = "Choose another context of kubectl, or install it: make kfp-up."
            case 429 | 502 | 503 | 504:
                what = f"Kubeflow Pipelines is not ready ({failure.status}): {failure.message}"
                fix = f"{_PODS}, and try again."
            case _:
                what = f"Kubeflow Pipelines refuses ({failure.status}): {failure.message}"
                fix = None
        # 500 is of its database, mostly.
        kind = AwayError if failure.status in _PASSING | {500} else CorallineError
        return kind(what, where=self._connection.place, fix=fix)


def _is_cluster_s(failure: ApiError) -> bool:
    """Whether it is the cluster that does not know the service, and not the service a thing."""
    return '"ml-pipeline"' in failure.message
