"""A run of a project as plain Kubernetes Jobs, one a step.

All of them may be applied at once. Steps hand over through the store, and a step's pod waits there
for those of the steps before it. Where there is no room for all pods at once, those that wait must
not keep out the one that they wait for: so each step has a priority class of its own, and comes
before the steps after it.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, get_args

from coralline_core.errors import CorallineError

from coralline.cluster.jobs.wiring import wiring
from coralline.cluster.pod import SETTINGS, labels_of, pod, settings_map
from coralline.cluster.portable import require_portable
from coralline.cluster.settings import StepName, seconds
from coralline.images import COMPONENTS, read_images

if TYPE_CHECKING:
    from coralline.cluster.jobs.wiring import Wires
    from coralline.cluster.settings import KubernetesSettings
    from coralline.project import Project

CONTAINER = "step"
"""The container of a step's pod."""
RUN = "app.kubernetes.io/instance"
"""The label that says the run."""
STEP = "coralline/step"
"""The label that says the step."""

_LONGEST = 55  # the names of Jobs, `<run>-<step>`, are labels of their pods, which end at 63
_RUN = re.compile(rf"[a-z0-9]([a-z0-9-]{{0,{_LONGEST - 2}}}[a-z0-9])?")
_KEPT = 7 * 24 * 3600  # s that an ended Job can still be looked at
_GRACE = 60  # s that a step has to keep what it has, when its pod must go


def name_run(project: Project, now: datetime) -> str:
    """A new run's name: the project's, and the time."""
    time = now.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{project.name[: _LONGEST - len(time) - 1].rstrip('-')}-{time}"


def manifests(project: Project, run: str) -> list[dict[str, Any]]:
    """What `kubectl apply` takes: the steps' settings, and a Job a step.

    The settings are named by what they say: runs share them, and never see them change.

    Args:
        project: What to run.
        run: The run's name. A step that was done in this run before is not done again.

    Raises:
        CorallineError: The project needs this machine, an image is not named, or the run's name is
            none for a Job.
    """
    require_portable(project)
    if not _RUN.fullmatch(run):
        what = f"{run!r} cannot be the name of a run's Jobs"
        fix = f"Use lower-case letters, digits and hyphens, {_LONGEST} characters at most."
        raise CorallineError(what, where="--run", fix=fix)
    arguments = {name: given for name, given in project.arguments().items() if name != "store"}
    data = {_file(name.partition("_")[0]): json.dumps(given) for name, given in arguments.items()}
    settings = settings_map(project, f"{project.name}-settings", data)
    jobs = _Jobs(project, run, settings["metadata"]["name"])
    return [settings, *(jobs.job(step) for step in get_args(StepName))]


class _Jobs:
    """The Jobs of a run."""

    def __init__(self, project: Project, run: str, settings: str) -> None:
        self._project = project
        self._cluster = project.kubernetes
        self._run = run
        self._settings = settings
        self._images = read_images(project.kubernetes.images)
        self._wiring = wiring()
        self._deadlines = _deadlines(project.kubernetes)

    def job(self, step: StepName) -> dict[str, Any]:
        """A step's Job."""
        labels = {
            **labels_of(self._project),
            "app.kubernetes.io/component": COMPONENTS[step],
            RUN: self._run,
            STEP: step,
        }
        template = {"metadata": {"labels": {**labels}}, "spec": self._pod(step)}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": f"{self._run}-{step}",
                "namespace": self._cluster.namespace,
                "labels": labels,
            },
            "spec": {
                "suspend": False,  # said, so that to apply it again resumes what was stopped
                "backoffLimit": self._cluster.retries,
                "activeDeadlineSeconds": self._deadlines[step],
                "ttlSecondsAfterFinished": _KEPT,
                # Of two pods one would do its work for nothing.
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {
                    "rules": [
                        {
                            "action": "Ignore",  # the node was drained, or had to make room
                            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                        },
                        {
                            "action": "FailJob",  # a person must put something right
                            "onExitCodes": {
                                "containerName": CONTAINER,
                                "operator": "In",
                                "values": [CorallineError.exit_code],
                            },
                        },
                    ]
                },
                "template": template,
            },
        }

    def _pod(self, step: StepName) -> dict[str, Any]:
        return {
            "restartPolicy": "Never",
            "priorityClassName": f"coralline-{step}",
            "terminationGracePeriodSeconds": _GRACE,
            **pod(
                self._cluster,
                self._cluster.resources(step),
                settings=(self._settings, _file(step)),
                name=CONTAINER,
                image=self._images[step],
                command=self._command(step, self._wiring[step]),
            ),
        }

    def _command(self, step: StepName, wires: Wires) -> list[str]:
        module = f"coralline_{COMPONENTS[step].replace('-', '_')}"
        command = ["python", "-m", module, "--settings", f"{SETTINGS}/{_file(step)}"]
        command += ["--store", self._project.arguments()["store"], "--run", self._run]
        for name, artifact in {**wires.inputs, **wires.outputs}.items():
            command += [f"--{name.replace('_', '-')}", artifact]
        return command


def _file(step: str) -> str:
    return f"{step}.json"


def _deadlines(cluster: KubernetesSettings) -> dict[StepName, int]:
    """By when each step must be done, in seconds from the run's begin: those before it included."""
    steps: tuple[StepName, ...] = get_args(StepName)
    timeouts = [cluster.resources(step).timeout for step in steps]
    return dict(zip(steps, accumulate(seconds(one) for one in timeouts if one), strict=True))
