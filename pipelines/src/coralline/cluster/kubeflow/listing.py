"""The runs of a project on Kubeflow Pipelines, found and listed for people and machines."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from rich.table import Table

from coralline.cluster.kubeflow.compile import pipeline_name
from coralline.cluster.kubeflow.outcome import failure, read_summary
from coralline.cluster.kubeflow.watch import OVER, state_of, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kfp_server_api import V2beta1Run

    from coralline.cluster.kubeflow.client import Kubeflow
    from coralline.project import Project


class Step(Report):
    """How far a step of a run is."""

    step: str
    state: str
    seconds: float


class Entry(Report):
    """A run."""

    id: str
    """Kubeflow's."""
    name: str
    state: str
    """As Kubeflow has it: RUNNING, SUCCEEDED, FAILED, and so on."""
    created: datetime
    scheduled: bool
    """Whether a schedule started it."""
    version: str | None
    """The pipeline's version, by Kubeflow's id."""
    page: str

    @classmethod
    def of(cls, run: V2beta1Run, kubeflow: Kubeflow, **more: Any) -> Self:
        """What there is to say of a run, with the fields that only one of its kind has."""
        reference = run.pipeline_version_reference
        return cls(
            id=run.run_id,
            name=run.display_name,
            state=state_of(run),
            created=run.created_at,
            scheduled=bool(run.recurring_run_id),
            version=reference and reference.pipeline_version_id,
            page=kubeflow.page(run.run_id),
            **more,
        )


class Details(Entry):
    """A run, and how far it is or what it has come to."""

    steps: tuple[Step, ...]
    failure: str | None
    """Why it did not end well."""
    summary: dict[str, Any] | None
    """Of a run that ended well: its summary.json."""
    unread: str | None
    """Why there is none."""


def details(kubeflow: Kubeflow, run: V2beta1Run) -> Details:
    """All that there is to say of a run.

    Args:
        kubeflow: Where it is.
        run: The run, with its tasks' states.
    """
    summary = unread = None
    if run.state == "SUCCEEDED":
        try:
            summary = read_summary(kubeflow, run)
        except CorallineError as error:  # the run has ended well all the same
            unread = str(error)
    steps = (
        Step(step=one.step, state=one.state, seconds=round(one.seconds)) for one in steps_of(run)
    )
    return Details.of(
        run,
        kubeflow,
        steps=tuple(steps),
        failure=failure(kubeflow, run) if run.state in OVER else None,
        summary=summary,
        unread=unread,
    )


def newest(kubeflow: Kubeflow, project: Project, last: int | None) -> list[Entry]:
    """The project's runs, the newest first.

    Args:
        kubeflow: Where they are.
        project: The project.
        last: At most so many; all by default.
    """
    return [Entry.of(run, kubeflow) for run in islice(_runs(kubeflow, project), last)]


def find(kubeflow: Kubeflow, project: Project, named: str | None) -> V2beta1Run:
    """A run of the project.

    Args:
        kubeflow: Where it is.
        project: The project.
        named: Its name, or how its id begins; the newest by default.

    Raises:
        CorallineError: There is no such run, or more than one.
    """
    fix = "See which there are: coralline runs PROJECT."
    found = [
        run
        for run in _runs(kubeflow, project)
        if named is None or run.display_name == named or run.run_id.startswith(named)
    ][: 1 if named is None else None]
    if not found:
        what = f"no run of the project is called {named}" if named else "the project has no run yet"
        raise CorallineError(what, where=pipeline_name(project), fix=fix)
    if len(found) > 1:
        what = f"{len(found)} runs of the project are called {named}"
        raise CorallineError(what, where=pipeline_name(project), fix=fix)
    run = kubeflow.run(found[0].run_id)
    if run is None:
        raise CorallineError("the run has just been deleted", where=found[0].run_id)
    return run


def cancel(kubeflow: Kubeflow, project: Project, named: str) -> Entry:
    """End a run that is not over.

    Raises:
        CorallineError: There is no such run, or it is over.
    """
    run = find(kubeflow, project, named)
    if run.state in OVER:
        raise CorallineError(f"the run is over: {state_of(run)}", where=run.display_name)
    kubeflow.cancel(run.run_id)
    return Entry.of(run, kubeflow)


def table(entries: Iterable[Entry]) -> Table:
    """Runs as people read them."""
    made = Table("run", "state", "began (UTC)", "by", "id", box=None, pad_edge=False)
    for entry in entries:
        by = "schedule" if entry.scheduled else "hand"
        made.add_row(entry.name, entry.state, f"{entry.created:%Y-%m-%d %H:%M}", by, entry.id)
    return made


def lines(run: Details) -> str:
    """One run as people read it."""
    steps = (
        f"{one.step:<10}{one.state:<10}" + (f"{one.seconds:>6.0f} s" if one.seconds else "")
        for one in run.steps
    )
    unread = run.unread and f"what came of it is on its page: {run.unread}"
    why = filter(None, (run.failure, unread))
    return "\n".join((f"{run.name}  {run.state}", run.page, *map(str.rstrip, steps), *why))


def _runs(kubeflow: Kubeflow, project: Project) -> Iterator[V2beta1Run]:
    experiment = kubeflow.find_experiment(pipeline_name(project))
    return kubeflow.runs(experiment) if experiment else iter(())
