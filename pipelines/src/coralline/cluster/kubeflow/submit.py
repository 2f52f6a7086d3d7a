"""From a project to a run on Kubeflow Pipelines."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import kfp_server_api as api

from coralline.cluster.kubeflow.compile import compile_project, pipeline_name

if TYPE_CHECKING:
    from coralline.cluster.kubeflow.client import Kubeflow
    from coralline.project import Project


class Uploaded(NamedTuple):
    """A version of a pipeline, by the ids that Kubeflow gave.

    Attributes:
        pipeline: Of the pipeline.
        version: Of the version.
        name: The version's name.
    """

    pipeline: str
    version: str
    name: str

    @property
    def reference(self) -> api.V2beta1PipelineVersionReference:
        """By which a run names it."""
        return api.V2beta1PipelineVersionReference(
            pipeline_id=self.pipeline, pipeline_version_id=self.version
        )


def submit(kubeflow: Kubeflow, project: Project) -> api.V2beta1Run:
    """Start a run of a project; what it runs is uploaded, unless it has been before.

    Raises:
        CorallineError: The project cannot run there, or Kubeflow refuses.
    """
    uploaded = upload(kubeflow, project)
    run = api.V2beta1Run(
        display_name=_run_name(project),
        experiment_id=kubeflow.experiment(pipeline_name(project)),
        pipeline_version_reference=uploaded.reference,
        runtime_config=runtime(project),
        service_account=project.kubernetes.service_account,
    )
    return kubeflow.start(run)


def upload(kubeflow: Kubeflow, project: Project) -> Uploaded:
    """The project's pipeline there, in the version that it has now.

    A version is named by its content: what has not changed is not uploaded again.
    """
    text = compile_project(project)
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    pipeline = kubeflow.pipeline(pipeline_name(project))
    return Uploaded(pipeline, kubeflow.version(pipeline, version, text), version)


def runtime(project: Project) -> api.V2beta1RuntimeConfig:
    """Where a run's artifacts go. Its parameters are the version's defaults."""
    return api.V2beta1RuntimeConfig(parameters={}, pipeline_root=project.kubernetes.pipeline_root)


def _run_name(project: Project) -> str:
    """A name that no other run has, by which a lost answer is made up for."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{pipeline_name(project)}-{now}-{secrets.token_hex(2)}"
