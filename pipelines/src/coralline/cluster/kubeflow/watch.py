"""How a run on Kubeflow Pipelines fares, step by step."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from coralline_core.errors import CorallineError
from coralline_core.progress import Event

from coralline.cluster.kubeflow import pods
from coralline.cluster.kubeflow.client import AwayError
from coralline.project import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kfp_server_api import V2beta1PipelineTaskDetail, V2beta1Run

    from coralline.cluster.kubeflow.client import Kubeflow

State = Literal[
    "to come", "starting", "waiting", "running", "done", "cached", "failed", "stopped", "not run"
]
OVER = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
"""The states in which a run stays."""

_LOOK = 5.0  # s between two looks
_PATIENCE = 300.0  # s without an answer
_LONG = timedelta(minutes=1)  # after which a pod that waits is spoken of; again after twice that
# What a step's state comes to once the run is over.
_ENDED: dict[str, dict[State, State]] = {
    "FAILED": {"to come": "not run"},
    "CANCELED": {"to come": "not run", "failed": "stopped"},
}
_NEVER = datetime(1971, 1, 1, tzinfo=UTC)  # the API writes 1970 where it means that it is not so


class StepState(NamedTuple):
    """How far a step is.

    Attributes:
        step: The step.
        state: `starting` while Kubeflow prepares it, `waiting` while its pod has no node or no
            image yet; `cached` where it was not run, as it had been with the same inputs;
            `not run` where the run ended before it.
        started: When it began to be prepared; None where it has not.
        ended: When it ended; None where it has not.
        node: The pod of its last try, as the run's graph names it; None where there was none.
    """

    step: str
    state: State
    started: datetime | None = None
    ended: datetime | None = None
    node: str | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or has been at work."""
        if self.started is None:
            return 0.0
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())


def state_of(run: V2beta1Run) -> str:
    """A run's state: of one that was cancelled the API says in the end that it failed."""
    history = [past.state for past in run.state_history or ()]
    if run.state == "FAILED" and "CANCELING" in history:
        return "CANCELED"
    return run.state or "PENDING"


def steps_of(run: V2beta1Run) -> list[StepState]:
    """The states of all steps, in order.

    The API lists each node of a run's graph: a step's driver, which looks for a cached result; the
    step; and in it an executor, or several tries of one. An executor does not say whose it is. But
    the steps follow each other, so it is that step's in whose time it began.
    """
    listed = (run.run_details and run.run_details.task_details) or []
    # What is left out as something before it failed is listed, too, in no state.
    tasks = [task for task in listed if task.state not in (None, "RUNTIME_STATE_UNSPECIFIED")]
    # Of tries of one the last counts; one that has not begun has the zero of all times.
    tasks.sort(key=lambda task: task.start_time or _NEVER)
    named = {task.display_name: task for task in tasks}
    executors = [task for task in tasks if task.display_name.startswith("executor")]
    ended = _ENDED.get(state_of(run), {})
    states = (_state(step, named, executors) for step in STEPS)
    return [one._replace(state=ended.get(one.state, one.state)) for one in states]


def follow(kubeflow: Kubeflow, run: str, show: Callable[[Event], None]) -> V2beta1Run:
    """Watch a run until it is over.

    Args:
        kubeflow: Where it runs.
        run: Its id.
        show: Takes what there is to say of its steps.

    Returns:
        The run as it ended, well or not.

    Raises:
        CorallineError: Kubeflow cannot be asked, or has lost the run.
    """
    follower = _Follower(run, show)
    answered = time.monotonic()
    while True:
        try:
            now = kubeflow.run(run)
        except CorallineError as error:
            # The run takes hours, and goes on while its API is away.
            if isinstance(error, AwayError) and time.monotonic() - answered <= _PATIENCE:
                follower.away(error)
                time.sleep(_LOOK)
                continue
            error.fix = f"{error.fix or ''} The run goes on: {kubeflow.page(run)}".strip()
            raise
        answered = time.monotonic()
        if now is None:
            raise CorallineError("there is no such run any more", where=run)
        follower.take(steps_of(now))
        if now.state in OVER:
            return now
        time.sleep(_LOOK)


class _Follower:
    """Turns states into what is new in them."""

    def __init__(self, run: str, show: Callable[[Event], None]) -> None:
        self._run = run
        self._show = show
        self._before: dict[str, State] = {}
        self._waits: dict[str, timedelta] = {}  # how long the next is that is spoken of
        self._since: dict[str, datetime] = {}
        self._now = StepState(STEPS[0], "to come")  # the step that the run has come to
        self._away = False

    def away(self, error: AwayError) -> None:
        """Say that the run cannot be seen: once, until it can be again."""
        if not self._away:
            message = f"cannot be seen for now: {error.what}"
            self._show(_event(self._now, "warning", message=message))
        self._away = True

    def take(self, steps: list[StepState]) -> None:
        self._away = False
        for one in steps:
            if one.started:
                self._now = one
            for event in self._events(one):
                self._show(event)
            self._before[one.step] = one.state

    def _events(self, one: StepState) -> Iterator[Event]:
        before = self._before.get(one.step, "to come")
        if one.started and before == "to come":
            yield _event(one, "start")
        match one.state:
            case "waiting":
                yield from self._waiting(one)
            case "done" | "cached" if before != one.state:
                note = "" if one.state == "done" else one.state
                yield _event(one, "end", note=note, seconds=one.seconds)
            case "failed" | "stopped" if before != one.state:
                yield _event(one, "error", message=one.state, seconds=one.seconds)

    def _waiting(self, one: StepState) -> Iterator[Event]:
        now = datetime.now(UTC)
        waited = now - self._since.setdefault(one.step, now)
        if waited < self._waits.get(one.step, _LONG):
            return
        self._waits[one.step] = 2 * waited
        seen = pods.look(self._run)
        why = seen.waiting.get(one.step) if seen else f"see why: {pods.command(self._run)}"
        if why:
            minutes = round(waited / timedelta(minutes=1))
            yield _event(one, "warning", message=f"has waited {minutes} min for its pod: {why}")


def _event(
    one: StepState,
    event: Literal["start", "end", "error", "warning"],
    message: str = "",
    note: str = "",
    seconds: float = 0.0,
) -> Event:
    at = one.started if event == "start" and one.started else datetime.now(UTC)
    return Event(
        step=one.step,
        event=event,
        time=at.timestamp(),
        message=message,
        note=note,
        seconds=seconds,
    )


def _state(
    step: str,
    named: dict[str, V2beta1PipelineTaskDetail],
    executors: list[V2beta1PipelineTaskDetail],
) -> StepState:
    name = "compile-model" if step == "compile" else step
    driver, node = named.get(f"{name}-driver"), named.get(name)
    if node is None:
        if driver is None:
            return StepState(step, "to come")
        state: State = "failed" if driver.state == "FAILED" else "starting"
        begun, ended = _time(driver.start_time), _time(driver.end_time)
        return StepState(step, state, begun, ended, _pod(driver))
    started, ended = _time(node.start_time), _time(node.end_time)
    begun = _time(driver.start_time) if driver else started
    inner = [one for one in executors if _within(_time(one.start_time), started, ended)]
    pod = next((pod for one in reversed(inner) if (pod := _pod(one))), None)
    return StepState(step, _of_node(node.state, {one.state for one in inner}), begun, ended, pod)


def _pod(tries: V2beta1PipelineTaskDetail) -> str | None:
    """The last try of a node, of which the API lists the tries as what comes after it."""
    return tries.child_tasks[-1].pod_name if tries.child_tasks else None


def _of_node(state: str, inner: set[str]) -> State:
    match state:
        case "SUCCEEDED":
            return "cached" if inner == {"SKIPPED"} else "done"
        case "FAILED":
            return "failed"
        case "CANCELED" | "SKIPPED":
            return "stopped"
    return "running" if "RUNNING" in inner and "PENDING" not in inner else "waiting"


def _within(time: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    return time is not None and start is not None and start <= time <= (end or time)


def _time(time: datetime | None) -> datetime | None:
    return time if time and time > _NEVER else None
