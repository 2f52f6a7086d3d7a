"""A project's schedule: the recurring run of its name, of which one is enabled at most.

A recurring run cannot be changed in place. So the new one is made disabled, the earlier ones are
deleted, and then the new one is enabled: at no instant are there two that start runs. Whoever dies
in between leaves one or none, and what is left is taken up by the next call. Runs that have been
started go on, whatever becomes of their schedule.

A schedule is of one version of the pipeline, with the settings and the images of the day: what
starts at night has been seen by somebody. After a change it is scheduled anew.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, cast

import kfp_server_api as api
from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from pydantic import TypeAdapter, ValidationError

from coralline.cluster.kubeflow.compile import pipeline_name
from coralline.cluster.kubeflow.cron import read_cron
from coralline.cluster.kubeflow.submit import runtime, upload
from coralline.cluster.settings import Span, seconds

if TYPE_CHECKING:
    from coralline.cluster.kubeflow.client import Kubeflow
    from coralline.project import Project

_FIRINGS = 3
_RECENT = 100  # runs among which the last of a schedule is looked for
_DEFAULT_ACCOUNT = "pipeline-runner"  # which the server puts where none is wanted
_NONE = "Make one: coralline schedule PROJECT --cron … or --every …."


class Schedule(Report):
    """A recurring run, as people and machines want it said."""

    id: str
    """Kubeflow's."""
    name: str
    enabled: bool
    trigger: str
    """The six fields of cron, or the seconds between two runs."""
    words: str
    """The same in words."""
    next: tuple[datetime, ...]
    """The next firings, in UTC; none where it is disabled."""
    due: bool
    """Whether a run starts at once, as a time was missed; it waits for one that is at work."""
    version: str
    """The pipeline's version that it runs, by Kubeflow's id."""

    def __str__(self) -> str:
        if not self.enabled:
            return f"{self.name}: {self.words} (UTC); paused"
        times = ", ".join(time.strftime("%a %d %b %H:%M:%S") for time in self.next)
        missed = "one at once, for a time that was missed, then " if self.due else ""
        return f"{self.name}: {self.words} (UTC); next: {missed}{times}"


def trigger_of(cron: str | None, every: str | None) -> api.V2beta1Trigger:
    """What a recurring run's times are, of which either is said.

    Args:
        cron: Six fields, the second first; as the back end reads them, in UTC.
        every: A span of time: `12h`.

    Raises:
        CorallineError: The cron line is not what it seems, or it is no span of time.
    """
    if cron is not None:
        return api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=read_cron(cron).text))
    try:
        interval = str(seconds(TypeAdapter(Span).validate_python(every)))
    except ValidationError as error:
        fix = "Such as 90m, 12h or 1d; 30d at most."
        raise CorallineError("no span of time", where=f"--every {every}", fix=fix) from error
    return api.V2beta1Trigger(
        periodic_schedule=api.V2beta1PeriodicSchedule(interval_second=interval)
    )


def schedule(kubeflow: Kubeflow, project: Project, trigger: api.V2beta1Trigger) -> Schedule:
    """Have a project's pipeline run again and again, in place of any earlier schedule of it.

    Raises:
        CorallineError: The project cannot run there, Kubeflow refuses, or somebody else schedules
            the project at the same time.
    """
    name = pipeline_name(project)
    experiment = kubeflow.experiment(name)
    wanted = api.V2beta1RecurringRun(
        display_name=name,
        experiment_id=experiment,
        pipeline_version_reference=upload(kubeflow, project).reference,
        runtime_config=runtime(project),
        service_account=project.kubernetes.service_account,
        trigger=trigger,
        mode=api.RecurringRunMode.DISABLE,
        no_catchup=True,  # of times that were missed one will do: a run takes in all that is new
        max_concurrency="1",  # two crawls into one store would fetch everything twice
    )
    new = kubeflow.add_schedule(wanted, lambda: _same(kubeflow.schedules(experiment, name), wanted))
    for other in kubeflow.schedules(experiment, name):
        if other.recurring_run_id != new.recurring_run_id:
            kubeflow.delete_schedule(other.recurring_run_id)
    kubeflow.enable_schedule(new.recurring_run_id)
    (now, *others) = kubeflow.schedules(experiment, name) or [None]
    if now is None or others:
        what = "somebody else has scheduled the project at the same time"
        raise CorallineError(what, where=name, fix="Schedule it once more.")
    return _said(kubeflow, now)


def find_schedules(kubeflow: Kubeflow, project: Project) -> list[Schedule]:
    """The project's schedules: one, or none."""
    return [_said(kubeflow, one) for one in _there(kubeflow, project)]


def pause(kubeflow: Kubeflow, project: Project) -> Schedule:
    """Let the project's schedule start nothing until it is resumed.

    Raises:
        CorallineError: It has none, or Kubeflow refuses.
    """
    for one in (there := _required(kubeflow, project)):
        kubeflow.disable_schedule(one.recurring_run_id)
        one.mode = api.RecurringRunMode.DISABLE
    return _said(kubeflow, there[0])


def resume(kubeflow: Kubeflow, project: Project) -> Schedule:
    """Let the project's schedule go on.

    Raises:
        CorallineError: It has none, or more than one, or Kubeflow refuses.
    """
    one, *others = _required(kubeflow, project)
    if others:
        what = "there is more than one schedule of the project, as somebody was interrupted"
        raise CorallineError(what, where=one.display_name, fix=_NONE)
    kubeflow.enable_schedule(one.recurring_run_id)
    one.mode = api.RecurringRunMode.ENABLE
    return _said(kubeflow, one)


def delete(kubeflow: Kubeflow, project: Project) -> Schedule:
    """Delete the project's schedule. What it has started runs on.

    Raises:
        CorallineError: It has none, or Kubeflow refuses.
    """
    for one in (there := _required(kubeflow, project)):
        kubeflow.delete_schedule(one.recurring_run_id)
    return _said(kubeflow, there[0])


def _there(kubeflow: Kubeflow, project: Project) -> list[api.V2beta1RecurringRun]:
    name = pipeline_name(project)
    experiment = kubeflow.find_experiment(name)
    return kubeflow.schedules(experiment, name) if experiment else []


def _required(kubeflow: Kubeflow, project: Project) -> list[api.V2beta1RecurringRun]:
    if not (there := _there(kubeflow, project)):
        what = "the project has no schedule"
        raise CorallineError(what, where=pipeline_name(project), fix=_NONE)
    return there


def _same(
    there: list[api.V2beta1RecurringRun], wanted: api.V2beta1RecurringRun
) -> api.V2beta1RecurringRun | None:
    """One that does what is wanted already, be it enabled or not."""
    for one in there:
        root = one.runtime_config and one.runtime_config.pipeline_root
        if (
            _trigger(one.trigger) == _trigger(wanted.trigger)
            and one.pipeline_version_reference == wanted.pipeline_version_reference
            and (root or None) == wanted.runtime_config.pipeline_root
            and _account(one) == _account(wanted)
            and one.no_catchup
            and str(one.max_concurrency) == wanted.max_concurrency
        ):
            return one
    return None


def _account(one: api.V2beta1RecurringRun) -> str:
    return one.service_account or _DEFAULT_ACCOUNT


def _trigger(trigger: api.V2beta1Trigger) -> str:
    if trigger.cron_schedule:
        return str(trigger.cron_schedule.cron)
    return str(trigger.periodic_schedule.interval_second)


def _said(kubeflow: Kubeflow, one: api.V2beta1RecurringRun) -> Schedule:
    trigger, last, now = _trigger(one.trigger), _last(kubeflow, one), datetime.now(UTC)
    words, firings, due = f'"{trigger}", which somebody else has set', list[datetime](), False
    if one.trigger.periodic_schedule:
        every = timedelta(seconds=int(trigger))
        words = f"Every {_span(every)}"
        due = last + every <= now
        # One that is late by a whole span is given the time at which it starts.
        last = last + every * due if now < last + 2 * every else now
        firings = [last + every * n for n in range(1, _FIRINGS + 1)]
    else:
        with suppress(CorallineError):  # such as five fields, which only we refuse
            cron = read_cron(trigger)
            words, firings = cron.words, cron.firings(now, _FIRINGS)
            due = cron.firings(last, 1)[0] <= now
    enabled = one.mode == api.RecurringRunMode.ENABLE
    return Schedule(
        id=one.recurring_run_id,
        name=one.display_name,
        enabled=enabled,
        trigger=trigger,
        words=words,
        next=tuple(firings) if enabled else (),
        due=due and enabled,
        version=one.pipeline_version_reference.pipeline_version_id,
    )


def _last(kubeflow: Kubeflow, one: api.V2beta1RecurringRun) -> datetime:
    """The time of a recurring run's last run, or of its making: what comes next counts from it."""
    newest = islice(kubeflow.runs(one.experiment_id), _RECENT)
    times = (
        run.scheduled_at or run.created_at
        for run in newest
        if run.recurring_run_id == one.recurring_run_id
    )
    return cast("datetime", next(times, one.created_at))


def _span(span: timedelta) -> str:
    """A span of time in the largest unit that says it whole."""
    amount = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if amount % size == 0:
            return f"{amount // size} {unit}"
    return f"{amount} s"
