"""A project on Kubeflow Pipelines: compile, submit and schedule it, and see to its runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from coralline.cli.shared import Command, Json, ProjectFile, conclude_summary, print_wide, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.reports import Report

    from coralline.cluster.kubeflow.client import Kubeflow
    from coralline.cluster.kubeflow.schedules import Schedule
    from coralline.project import Project


class _WithDefault(TyperGroup):
    """A group of which one command need not be named: `runs PROJECT` is `runs list PROJECT`."""

    default: str

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class _Schedules(_WithDefault):
    default = "set"


class _Runs(_WithDefault):
    default = "list"


commands = typer.Typer()
_schedules = typer.Typer(
    name="schedule",
    cls=_Schedules,
    help="Have Kubeflow Pipelines run a project again and again.",
    epilog='Example: coralline schedule glasses.yaml --cron "0 0 3 * * *"',
    no_args_is_help=True,
)
_runs = typer.Typer(
    name="runs",
    cls=_Runs,
    help="List, show and cancel a project's runs on Kubeflow Pipelines.",
    epilog="Example: coralline runs glasses.yaml",
    no_args_is_help=True,
)
commands.add_typer(_schedules)
commands.add_typer(_runs)


@commands.command(cls=Command, epilog="Example: coralline compile glasses.yaml -o pipeline.yaml")
def compile(  # noqa: A001 - the command's name
    project: ProjectFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to; by default it is printed."),
    ] = None,
) -> None:
    """Compile a project's pipeline for Kubeflow Pipelines, its settings and images inside."""
    from coralline_core.errors import CorallineError

    from coralline.cluster.kubeflow.compile import compile_project

    text = compile_project(_load(project))
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(out)) from error


@commands.command(cls=Command, epilog="Example: coralline submit glasses.yaml --wait")
def submit(
    project: ProjectFile,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end; fail if it does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a project's pipeline on Kubeflow Pipelines."""
    from coralline.cluster.kubeflow.listing import Entry
    from coralline.cluster.kubeflow.submit import submit

    kubeflow, loaded = _open(project)
    entry = Entry.of(submit(kubeflow, loaded), kubeflow)
    print(f"{entry.name}\n{entry.page}", file=sys.stderr if as_json else sys.stdout, flush=True)
    if kubeflow.page_hint:
        print(f"to see it: {kubeflow.page_hint}", file=sys.stderr)
    if wait:
        _follow(kubeflow, project, entry.id, as_json=as_json)
    elif as_json:
        print(entry.model_dump_json(indent=1))


@_schedules.command(
    "set", cls=Command, epilog='Example: coralline schedule glasses.yaml --cron "0 0 3 * * *"'
)
def set_schedule(
    project: ProjectFile,
    cron: Annotated[
        str | None,
        typer.Option(metavar="FIELDS", help="Six fields, the second first, in UTC."),
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="A span of time: 90m, 12h, 1d.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a project as it is now again and again, in place of its earlier schedule."""
    if (cron is None) == (every is None):
        raise typer.BadParameter("either --cron or --every is needed")
    from coralline.cluster.kubeflow.schedules import schedule, trigger_of

    trigger = trigger_of(cron, every)
    _print([schedule(*_open(project), trigger)], as_json=as_json)


@_schedules.command("list", cls=Command, epilog="Example: coralline schedule list glasses.yaml")
def list_schedules(project: ProjectFile, as_json: Json = False) -> None:
    """Show a project's schedule, and when it fires next."""
    from coralline.cluster.kubeflow.schedules import find_schedules

    _print(find_schedules(*_open(project)), as_json=as_json)


@_schedules.command("pause", cls=Command, epilog="Example: coralline schedule pause glasses.yaml")
def pause_schedule(project: ProjectFile, as_json: Json = False) -> None:
    """Let a project's schedule start nothing until it is resumed."""
    from coralline.cluster.kubeflow.schedules import pause

    _print([pause(*_open(project))], as_json=as_json)


@_schedules.command("resume", cls=Command, epilog="Example: coralline schedule resume glasses.yaml")
def resume_schedule(project: ProjectFile, as_json: Json = False) -> None:
    """Let a project's schedule go on; of the times that it missed, one is made up for at once."""
    from coralline.cluster.kubeflow.schedules import resume

    _print([resume(*_open(project))], as_json=as_json)


@_schedules.command("delete", cls=Command, epilog="Example: coralline schedule delete glasses.yaml")
def delete_schedule(project: ProjectFile) -> None:
    """Delete a project's schedule; what it has started runs on."""
    from coralline.cluster.kubeflow.schedules import delete

    print(f"deleted {delete(*_open(project)).name}")


@_runs.command("list", cls=Command, epilog="Example: coralline runs list glasses.yaml --last 5")
def list_runs(
    project: ProjectFile,
    last: Annotated[int, typer.Option(metavar="N", min=1, help="Only the N newest.")] = 20,
    as_json: Json = False,
) -> None:
    """List a project's runs, the newest first."""
    from coralline.cluster.kubeflow.listing import newest, table

    found = newest(*_open(project), last)
    if as_json:
        print(_as_json(found))
    elif found:
        print_wide(table(found))
    else:
        print("no runs")


@_runs.command("show", cls=Command, epilog="Example: coralline runs show glasses.yaml")
def show_run(
    project: ProjectFile,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="A run's name, or how its id begins.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how far a run is, or what came of it: the newest, if none is named."""
    from coralline.cluster.kubeflow.listing import details, find, lines

    kubeflow, loaded = _open(project)
    shown = details(kubeflow, find(kubeflow, loaded, run))
    if as_json:
        print(shown.model_dump_json(indent=1))
        return
    print(lines(shown))
    if shown.summary:
        print(said(shown.summary, {}))


@_runs.command("cancel", cls=Command, epilog="Example: coralline runs cancel glasses.yaml 3f2a91c0")
def cancel_run(
    project: ProjectFile,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's name, or how its id begins.")],
) -> None:
    """Cancel a run; what it has put into the store is kept."""
    from coralline.cluster.kubeflow.listing import cancel

    print(f"cancelled {cancel(*_open(project), run).name}")


def _open(file: Path) -> tuple[Kubeflow, Project]:
    from coralline.cluster.kubeflow.client import Kubeflow

    project = _load(file)
    return Kubeflow(project.kubernetes.endpoint), project


def _load(file: Path) -> Project:
    from coralline.project import load_project

    return load_project(file, reach=False)  # the steps reach the store, and we need not


def _print(schedules: Sequence[Schedule], *, as_json: bool) -> None:
    print(_as_json(schedules) if as_json else "\n".join(map(str, schedules)) or "no schedule")


def _as_json(reports: Sequence[Report]) -> str:
    return json.dumps([one.model_dump(mode="json") for one in reports], indent=1)


def _follow(kubeflow: Kubeflow, file: Path, run: str, *, as_json: bool) -> None:
    from coralline_core.errors import CorallineError
    from rich.console import Console

    from coralline.cluster.kubeflow.listing import details
    from coralline.cluster.kubeflow.watch import follow
    from coralline.project import STEPS
    from coralline.view import view

    try:
        with view(STEPS, Console(stderr=as_json)) as show:
            over = follow(kubeflow, run, show)
    except KeyboardInterrupt:
        print(f"the run goes on; end it with: coralline runs cancel {file} {run}", file=sys.stderr)
        raise typer.Exit(130) from None
    shown = details(kubeflow, over)
    if shown.summary:
        conclude_summary(shown.summary, {"page": shown.page}, as_json=as_json)
        return
    if as_json:
        print(shown.model_dump_json(indent=1))
    if shown.failure:
        error = CorallineError(shown.failure, where=shown.page)
        error.exit_code = 1
        raise error
    print(f"done; what came of it is on its page: {shown.page} ({shown.unread})", file=sys.stderr)
