"""What a run on Kubeflow Pipelines has come to: its summary, where it can be read from here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from coralline_core.store import open_store

from coralline.cluster.kubeflow.compile import pipeline_name

if TYPE_CHECKING:
    from coralline.project import Project

_SUMMARY = "/published/summary.json"


def read_summary(project: Project, run: str) -> dict[str, Any] | None:
    """What the summary.json of a run's last step says.

    It lies under the pipeline root, in a folder that Kubeflow has named: PIPELINE/RUN/publish/UUID.

    Args:
        project: The project that ran.
        run: The run's id.

    Returns:
        None where the root is Kubeflow's own, or holds no such file.

    Raises:
        CorallineError: The root cannot be read with this machine's credentials.
    """
    if not (address := _root(project)):
        return None
    root = open_store(address)
    folder = f"{pipeline_name(project)}/{run}/publish/"
    found = [key for key in root.list(folder) if key.endswith(_SUMMARY)]
    written = {key: stat.modified for key in found if (stat := root.stat(key))}
    if not written:
        return None
    kept = root.get(
        max(written, key=lambda key: written[key])
    )  # the last try's, if there were more
    return json.loads(kept.data) if kept else None


def _root(project: Project) -> str | None:
    """The pipeline root, as a store is opened; an S3 service as the project's own store has it."""
    root = project.kubernetes.pipeline_root
    match root and urlsplit(root).scheme:
        case "gs":
            return root
        case "s3" if project.store.uri.startswith("s3://"):
            return project.store.model_copy(update={"uri": root}).address
        case "s3":
            return root
    return None
