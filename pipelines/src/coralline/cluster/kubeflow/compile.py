"""A project's pipeline as Kubeflow runs it: its IR, with the project's settings inside.

What is compiled says all of a run but where it runs. The arguments are the defaults of the
parameters, the images are named by their content, and each task has what the project file says of
its pod. So the same project and the same images give the same text, to the byte.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coralline_core.errors import CorallineError

from coralline.cluster.portable import require_portable
from coralline.cluster.settings import KubernetesSettings, StepName, seconds
from coralline.images import read_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coralline.project import Project

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the pod's own
_COMMENT = re.compile(r"\A(#.*\n)+")  # says the defaults once more, in another order each time
_LONGEST = "7d"  # of a step for which no time is said
# Of other tags that move, such as `main`, nobody can tell.
_NAMED = re.compile(r"@sha256:[0-9a-f]{64}$|:(?!latest$)[\w.-]+$")


def pipeline_name(project: Project) -> str:
    """What the project's pipeline, its experiment and its schedule are called in Kubeflow."""
    return f"coralline-{project.name}"


def compile_project(project: Project) -> str:
    """The project's pipeline as IR, in YAML.

    Raises:
        CorallineError: Pods cannot reach what the project names; the images are not known; or an
            image's name does not say which image it is.
    """
    require_portable(project)
    images = read_images(project.kubernetes.images)
    _require_names_that_stay(images)
    # Slow to import, as kfp is.
    from kfp.compiler import Compiler

    from coralline.pipeline import train_pipeline

    pipeline = train_pipeline(pipeline_name(project), images, _placing(project.kubernetes))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pipeline.yaml")
        Compiler().compile(pipeline, str(path), pipeline_parameters=project.arguments())
        text = path.read_text(encoding="utf-8")
    return _COMMENT.sub("", text)


def _require_names_that_stay(images: Mapping[str, str]) -> None:
    """Kubeflow's cache knows an image by its name, and would take old results for a new image's."""
    for step, image in images.items():
        if not _NAMED.search(image):
            raise CorallineError(
                f"{image} may be another image tomorrow, and results are cached by its name",
                where=f"the image of {step}",
                fix="Name it by its digest, or by a tag that stays, as `make push` does.",
            )


def _placing(settings: KubernetesSettings) -> Callable[[StepName, Any], None]:
    from kfp import kubernetes

    def place(step: StepName, task: Any) -> None:
        resources = settings.resources(step)
        if resources.cpu:
            task.set_cpu_request(resources.cpu)
        if resources.cpu_limit:
            task.set_cpu_limit(resources.cpu_limit)
        if resources.memory:
            task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
        if resources.accelerator:
            task.set_accelerator_type(resources.accelerator)
            task.set_accelerator_limit(resources.accelerator_count or 1)
        if resources.shm:
            kubernetes.empty_dir_mount(
                task, "shm", _SHARED_MEMORY, medium="Memory", size_limit=resources.shm
            )
        timeout = seconds(resources.timeout or _LONGEST)
        kubernetes.set_timeout(task, timeout)
        if settings.retries:
            task.set_retry(
                settings.retries,
                backoff_duration=f"{seconds(settings.backoff)}s",
                backoff_factor=2.0,
                # Counted from the start: what is lost after an hour is tried again, too.
                backoff_max_duration=f"{timeout * (settings.retries + 1)}s",
            )
        for name, value in settings.environment.items():
            task.set_env_variable(name, value)
        if settings.secret:
            keys = {key: key for key in settings.secret_keys}
            kubernetes.use_secret_as_env(task, settings.secret, keys)
        for label, value in resources.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for toleration in settings.tolerations:
            kubernetes.add_toleration(task, **toleration.model_dump())
        if settings.pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(settings.pull_secrets))
        # A name that stays is pulled once, and one that was loaded into kind not at all.
        kubernetes.set_image_pull_policy(task, "IfNotPresent")

    return place
