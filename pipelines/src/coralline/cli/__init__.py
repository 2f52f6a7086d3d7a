"""The `coralline` command. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import sys

import typer
from coralline_core.errors import CorallineError

from coralline.cli import data, keeping, kubeflow, kubernetes, running

app = typer.Typer(
    help="From a search keyword to a compiled edge model.",
    epilog="Try it: coralline demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (running, data, keeping, kubernetes, kubeflow):
    app.add_typer(group.commands)


def main() -> None:
    """Run the command; a CorallineError is one line on stderr and an exit code."""
    try:
        app()
    except CorallineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
