"""What the commands share: arguments, help, progress, printing."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.progress import Progress
    from rich.console import RenderableType


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


ProjectFile = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project file (YAML).")]
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
