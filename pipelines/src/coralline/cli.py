"""The `coralline` command. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from coralline_core.errors import CorallineError
from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from coralline.project import Project
    from coralline.runs import Run

app = typer.Typer(
    help="From a search keyword to a compiled edge model.",
    epilog="Try it: coralline demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class _Command(TyperCommand):
    """A command whose help names its arguments as manuals do, without braces and Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        return ["[OPTIONS]", *(name for name, _ in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
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
Runs = Annotated[Path, typer.Option(help="The folder that gets the run's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def main() -> None:
    """Run the command; a CorallineError is one line on stderr and an exit code."""
    try:
        app()
    except CorallineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@app.command(cls=_Command, epilog="Example: coralline run glasses.yaml")
def run(
    project: ProjectFile,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Run a project's pipeline on this machine, from the crawl to the published model."""
    from coralline.project import load_project

    loaded = load_project(project)
    _run(loaded, project, runs, as_json=as_json)


@app.command(cls=_Command, epilog="Example: coralline demo")
def demo(
    runs: Runs = Path("runs"),
    store: Annotated[Path, typer.Option(help="The folder for what is crawled.")] = Path("store"),
    as_json: Json = False,
) -> None:
    """Glasses or no glasses: a whole run on real photos, from an image site on this machine."""
    from coralline.project import load_project

    try:
        from coralline_demo import PROJECT, image_site
    except ModuleNotFoundError:
        fix = "Install coralline-demo, or run it from a checkout: make run"
        raise CorallineError("the demo's image site is not installed", fix=fix) from None
    loaded = load_project(PROJECT, store=str(store.resolve()))
    with image_site():
        _run(loaded, PROJECT, runs, as_json=as_json)


@app.command(cls=_Command, epilog="Example: coralline init helmets")
def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The project's name; NAME.yaml is written.")
    ],
) -> None:
    """Write a commented project file to start from."""
    from coralline.template import write_template

    path = write_template(name, Path())
    print(f"wrote {path}; say what to look for under `labels:`, then: coralline run {path}")


@app.command(cls=_Command, epilog="Example: coralline check glasses.yaml")
def check(project: ProjectFile, as_json: Json = False) -> None:
    """Say all that is wrong with a project file, at once, and change nothing."""
    from coralline.project import find_problems

    problems = find_problems(project)
    if as_json:
        print(json.dumps([problem.model_dump(mode="json") for problem in problems], indent=1))
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        if not problems:
            print(f"{project} is well")
    if problems:
        raise typer.Exit(2)


@app.command(cls=_Command, epilog="Example: coralline schema > project.schema.json")
def schema() -> None:
    """Print the JSON schema of a project file, for editors."""
    from coralline.project import Project

    print(json.dumps(Project.model_json_schema(), indent=1))


@app.command(
    cls=_Command, epilog="Example: coralline predict runs/latest/model photo.jpg --draw seen/"
)
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="The `model` of a run.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos.")],
    as_json: Json = False,
    draw: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Draw boxes and labels into this folder.")
    ] = None,
) -> None:
    """Classify photos, cropped as in training: print label and probability of each crop."""
    from coralline import predict as prediction

    images = list(dict.fromkeys(images))
    found = prediction.predict(model, images)
    if draw is not None:
        prediction.draw(found, images, draw)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
        return
    for image in images:
        of_image = [str(one) for one in found if one.image == image]
        print("\n".join(of_image or [f"{image}: nothing found"]))


def _run(project: Project, file: Path, runs: Path, *, as_json: bool) -> None:
    from coralline_core.errors import GateError
    from rich.console import Console

    from coralline.project import STEPS, locate
    from coralline.runs import run_here
    from coralline.view import view

    # `kill` and a service's stop end a run as Ctrl-C does: the steps keep what they have.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with view(STEPS, Console(stderr=as_json)) as show:
            finished = run_here(project, file.read_text(encoding="utf-8"), runs, show)
    except CorallineError as error:
        error.where = locate(error.where, file)
        raise
    except KeyboardInterrupt:
        print("interrupted; what is in the store is kept, run again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(finished.summary, indent=1))
    else:
        print(_said(finished))
    failed = [gate["message"] for gate in finished.summary["gates"] if not gate["passed"]]
    if failed:
        raise GateError("; ".join(failed), where=str(finished.report))


def _said(finished: Run) -> str:
    int8 = finished.summary["test"]["int8"]
    low, high = int8["interval"]
    lines = {
        "accuracy": f"{int8['accuracy']:.1%}, int8 on {int8['n']} test crops "
        f"(95%: {low:.1%} to {high:.1%})",
        "decision": finished.summary["decision"],
        "report": finished.report,
        "model": finished.model,
    }
    return "\n".join(f"{name:<10}{value}" for name, value in lines.items())


if __name__ == "__main__":
    main()
