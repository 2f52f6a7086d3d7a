"""Follow a run of Jobs: what its steps say, what keeps them waiting, and why one failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, get_args

from coralline_core.errors import CorallineError

from coralline.cluster.jobs.manifests import RUN, STEP
from coralline.cluster.pod import PROJECT
from coralline.cluster.settings import StepName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from coralline.cluster.jobs.api import Cluster
    from coralline.cluster.jobs.objects import Job, Pod
    from coralline.cluster.settings import KubernetesSettings
    from coralline.project import Project

_LOOK = 2.0  # s between two looks at the cluster
_PATIENCE = 30.0  # s in which what keeps a container from starting may pass
_LINES = 10  # of a failed pod's log

_LOAD = "Load it into the cluster (kind: make kind-up), or push it and see to `pull_secrets`."
_UNSTARTED = {
    "CreateContainerConfigError": "Look at `kubernetes.secret` and `secret_keys`.",
    "ErrImageNeverPull": _LOAD,
    "ErrImagePull": _LOAD,
    "ImagePullBackOff": _LOAD,
    "InvalidImageName": _LOAD,
}
"""What keeps a container from starting until somebody does something, and what to do."""


def newest_run(cluster: Cluster, project: Project) -> str:
    """The run of a project that was begun last.

    Raises:
        CorallineError: There is none.
    """
    jobs = cluster.jobs(f"{PROJECT}={project.name.rstrip('-')}")
    if not jobs:
        raise _no_run(f"no run of {project.name} is in its namespace")
    return max(jobs, key=lambda job: job.metadata.creation_timestamp).metadata.labels[RUN]


def follow(
    cluster: Cluster, settings: KubernetesSettings, run: str, say: Callable[[str], None]
) -> None:
    """Follow a run until its last step is done.

    When a step fails, the Jobs that wait for it are deleted.

    Args:
        cluster: Where it runs.
        settings: The project's, for what its pods were given.
        run: Its name.
        say: Takes each line for a person to read.

    Raises:
        CorallineError: There is no such run, a step failed, or one cannot begin.
    """
    logs, waiting = _Logs(cluster, say), _Waiting(say)
    lost = _Lost(settings, say)
    while True:
        jobs = {job.metadata.labels[STEP]: job for job in cluster.jobs(f"{RUN}={run}")}
        pods = cluster.pods(f"{RUN}={run}")
        if not jobs:
            raise _no_run(f"no run {run} is in the namespace {settings.namespace}")
        logs.read(pods)
        lost.tell(pods)
        if failed := _first_failed(jobs, pods):
            for job in jobs.values():
                if not (job.complete or job.failed or job == failed):
                    cluster.delete(job)
            raise _failure(failed, pods, settings, say)
        if missing := [step for step in get_args(StepName) if step not in jobs]:
            what = f"the run {run} has no Job for {missing[0]}, and the others wait for it"
            raise CorallineError(what, fix="Apply its manifests again, or begin another run.")
        if jobs["publish"].complete:
            return
        waiting.tell(cluster, jobs, pods)
        time.sleep(_LOOK)


def _no_run(what: str) -> CorallineError:
    fix = "Begin one (coralline manifests PROJECT | kubectl apply -f -), or name another --context."
    return CorallineError(what, fix=fix)


def _first_failed(jobs: Mapping[str, Job], pods: Iterable[Pod]) -> Job | None:
    """The first step that failed for good: those after it fail since they wait for it.

    What a person must put right is never tried again, so the pod's end is the Job's, which the
    cluster may say only later.
    """
    hopeless = {pod.metadata.labels[STEP] for pod in pods if _hopeless(pod)}
    for step in get_args(StepName):
        if (job := jobs.get(step)) and (job.failed or step in hopeless):
            return job
    return None


def _hopeless(pod: Pod) -> bool:
    """Whether it ended with what a person must put right."""
    return pod.terminated is not None and pod.terminated.exit_code == CorallineError.exit_code


def _failure(
    job: Job, pods: Iterable[Pod], settings: KubernetesSettings, say: Callable[[str], None]
) -> CorallineError:
    step: StepName = job.metadata.labels[STEP]  # type: ignore[assignment]
    limits = settings.resources(step)
    if job.failed and job.failed.reason == "DeadlineExceeded":
        fix = f"Raise kubernetes.steps.{step}.timeout, and see what it waited for."
        return CorallineError(f"{step} was not done in time, {limits.timeout} each", fix=fix)
    ended = [pod for pod in pods if pod.metadata.labels[STEP] == step and pod.terminated]
    end = ended[-1].terminated if ended else None
    lines = end.message.strip().splitlines() if end else []
    if ended and _hopeless(ended[-1]) and lines:
        return CorallineError(f"{step} failed: {lines[-1]}")
    if end and end.reason == "OOMKilled":
        what = f"{step} was killed: it needs more memory than {limits.memory}"
        return CorallineError(what, fix=f"Raise kubernetes.steps.{step}.memory.")
    for line in lines[-_LINES:]:
        say(f"{step:<8} {line}")
    why = f"with exit code {end.exit_code}" if end else "and left no pod"
    error = CorallineError(
        f"{step} ended unexpectedly, {why}",
        fix=f"More may be in `kubectl logs job/{job.name}`. What is in the store is kept.",
    )
    error.exit_code = 1
    return error


class _Logs:
    """What the steps say in their pods' logs, as these grow; not what libraries say there."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._say = say
        self._read: dict[str, tuple[str, float]] = {}  # the last line's time; when it was read
        self._done: set[str] = set()

    def read(self, pods: Iterable[Pod]) -> None:
        """Say what is new."""
        for pod in pods:
            if pod.name in self._done or pod.status.phase == "Pending":
                continue
            last, read = self._read.get(pod.name, ("", 0.0))
            now = time.monotonic()
            text = self._cluster.log(pod.name, int(now - read) + 5 if read else None)
            if text is None:
                continue
            for line in text.splitlines():
                at, _, said = line.partition(" ")
                if at > last:
                    last = at
                    if said.startswith(f"{pod.metadata.labels[STEP]:<8} "):
                        self._say(said)
            self._read[pod.name] = last, now
            if pod.terminated:
                self._done.add(pod.name)


class _Lost:
    """Pods that were lost or broke: each is said once. Most steps are then tried again."""

    def __init__(self, settings: KubernetesSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._running: dict[str, StepName] = {}
        self._said: set[str] = set()

    def tell(self, pods: list[Pod]) -> None:
        """Say which were lost."""
        for pod in pods:
            step: StepName = pod.metadata.labels[STEP]  # type: ignore[assignment]
            if pod.status.phase == "Running":
                self._running[pod.name] = step
            elif pod.status.phase == "Succeeded":
                self._running.pop(pod.name, None)
            elif pod.status.phase == "Failed" and not _hopeless(pod):
                self._tell(pod.name, step, self._why(pod, step))
        there = {pod.name for pod in pods}
        for name, step in list(self._running.items()):
            if name not in there:
                self._tell(name, step, "lost its pod: somebody deleted it")

    def _tell(self, pod: str, step: StepName, why: str) -> None:
        self._running.pop(pod, None)
        if pod not in self._said:
            self._said.add(pod)
            self._say(f"{step:<8} {why}")

    def _why(self, pod: Pod, step: StepName) -> str:
        disrupted, end = pod.condition("DisruptionTarget"), pod.terminated
        if disrupted and disrupted.status == "True":
            return f"lost its pod: {_line(disrupted.message or disrupted.reason)}"
        if end and end.reason == "OOMKilled":
            memory = self._settings.resources(step).memory
            return f"was killed: it needs more memory than {memory}"
        if end:
            return f"ended with exit code {end.exit_code}"
        return _line(pod.status.message or pod.status.reason or "lost its pod")


class _Hindrance(NamedTuple):
    """What keeps a step from starting."""

    what: str
    fix: str
    lasting: bool
    """Whether it stays until somebody does something."""


class _Waiting:
    """Steps that cannot start: what keeps them is said once, and is an error where it lasts."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since: dict[str, float] = {}  # when a pod was first seen with a lasting hindrance
        self._said: dict[str, str] = {}

    def tell(self, cluster: Cluster, jobs: Mapping[str, Job], pods: list[Pod]) -> None:
        """Say what keeps which step.

        Raises:
            CorallineError: One of them will not start unless somebody does something.
        """
        of_step = {pod.metadata.labels[STEP]: pod for pod in pods}  # the newest of each
        for step, job in jobs.items():
            pod = of_step.get(step)
            found = _hindrance(pod, step) if pod else _refusal(cluster, job)
            if found is None:
                self._since.pop(step, None)
                continue
            if self._said.get(step) != found.what:
                self._said[step] = found.what
                self._say(f"{step:<8} waits: {found.what}. {found.fix}")
            if not found.lasting:
                self._since.pop(step, None)
                continue
            since = self._since.setdefault(step, time.monotonic())
            if time.monotonic() - since > _PATIENCE:
                fix = f"{found.fix} The run then goes on; to end it: kubectl delete job -l {RUN}="
                fix += job.metadata.labels[RUN]
                raise CorallineError(f"{step} cannot start: {found.what}", fix=fix)


def _hindrance(pod: Pod, step: str) -> _Hindrance | None:
    if pod.waiting and pod.waiting.reason in _UNSTARTED:
        what = _line(pod.waiting.message or pod.waiting.reason)
        return _Hindrance(what, _UNSTARTED[pod.waiting.reason], lasting=True)
    scheduled = pod.condition("PodScheduled")
    if scheduled and scheduled.reason == "Unschedulable":
        fix = f"Add nodes, or lower kubernetes.steps.{step}.cpu and .memory."
        return _Hindrance(f"no node takes it: {_line(scheduled.message)}", fix, lasting=False)
    return None


def _refusal(cluster: Cluster, job: Job) -> _Hindrance | None:
    if job.complete or not (refusals := cluster.refusals(job)):
        return None
    fix = "Look whether k8s/base is applied, and what its ResourceQuota leaves."
    return _Hindrance(f"its pod was refused: {_line(refusals[-1])}", fix, lasting=False)


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
