"""What the commands share: arguments, help, progress, printing."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from coralline_core.errors import CorallineError, GateError
from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.progress import Progress
    from rich.console import RenderableType

    from coralline.runs import Run

_URI = re.compile(r"(file|gs|s3):/")  # a Path has one slash of two


class Command(TyperCommand):
    """A command whose help names its arguments as manuals do, without braces and Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        """The line after "Usage:"."""
        return ["[OPTIONS]", *(name for name, _ in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options."""
        if arguments := self._arguments():
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        options = [one for one in self.get_params(ctx) if not isinstance(one, TyperArgument)]
        with formatter.section("Options"):
            formatter.write_dl([record for one in options if (record := one.get_help_record(ctx))])

    def _arguments(self) -> list[tuple[str, str]]:
        found = (one for one in self.params if isinstance(one, TyperArgument))
        return [(one.metavar or one.name, one.help or "") for one in found]


def _file(place: Path) -> Path:
    if place.is_dir() or _URI.match(str(place)):
        raise CorallineError(
            "this is a store or a folder, and the project's labels are needed",
            where=str(place),
            fix="Name the project file (YAML).",
        )
    return place


ProjectFile = Annotated[
    Path,
    typer.Argument(metavar="PROJECT", help="The project file (YAML).", callback=_file),
]
StorePlace = Annotated[
    str,
    typer.Argument(metavar="PROJECT", help="The project file, or its store: a folder or a URI."),
]
Runs = Annotated[Path, typer.Option(help="The folder that gets the run's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@contextmanager
def working(name: str) -> Iterator[Progress]:
    """What a command does itself, shown on stderr while it lasts."""
    from coralline_core.progress import Progress
    from rich.console import Console

    from coralline.view import view

    try:
        with view((name,), Console(stderr=True)) as show:
            progress = Progress(name, show)
            progress.start()
            yield progress
            progress.end()
    except KeyboardInterrupt:
        print("interrupted; run it again to go on", file=sys.stderr)
        raise typer.Exit(130) from None


def print_wide(*parts: RenderableType) -> None:
    """Print for people; where no terminal is, no line is broken for one's width."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 1000
    console.print(*parts, sep="\n", soft_wrap=True)


def conclude(finished: Run, *, as_json: bool, **more: str) -> None:
    """Print what came of a run, and by name where more is to be seen.

    Raises:
        GateError: A gate of the project's failed.
    """
    places = {"report": str(finished.report), "model": str(finished.model), **more}
    conclude_summary(finished.summary, places, as_json=as_json)


def conclude_summary(summary: dict[str, Any], places: dict[str, str], *, as_json: bool) -> None:
    """Print what came of a run.

    Args:
        summary: What its summary.json says.
        places: Where more is to be seen, by name; the first tells of the gates.
        as_json: Whether to print the summary as it is.

    Raises:
        GateError: A gate of the project's failed.
    """
    print(json.dumps(summary, indent=1) if as_json else said(summary, places))
    failed = [
        f"{gate['key']}: {gate['message']}" for gate in summary["gates"] if not gate["passed"]
    ]
    if failed:
        raise GateError("; ".join(failed), where=next(iter(places.values())))


def said(summary: dict[str, Any], places: dict[str, str]) -> str:
    """What people are told of a run: what its summary.json says, and where more is to be seen."""
    int8 = summary["test"]["int8"]
    low, high = int8["interval"]
    lines = {
        "accuracy": f"{int8['accuracy']:.1%}, int8 on {int8['n']} test crops "
        f"(95%: {low:.1%} to {high:.1%})",
        "decision": summary["decision"],
        **places,
    }
    return "\n".join(f"{name:<10}{value}" for name, value in lines.items())
