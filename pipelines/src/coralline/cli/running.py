"""From a project file to a model: write, check and run it, and try what comes out."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from coralline_core.errors import CorallineError

from coralline.cli.shared import Command, Json, ProjectFile, Runs, conclude

if TYPE_CHECKING:
    from coralline.project import Project
    from coralline.runs import Run

commands = typer.Typer()

Place = Annotated[
    Literal["processes", "docker"],
    typer.Option(
        "--in",
        metavar="PLACE",
        help="processes, or docker: in the containers of `make images`.",
    ),
]


@commands.command(cls=Command, epilog="Example: coralline init helmets")
def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The project's name; NAME.yaml is written.")
    ],
) -> None:
    """Write a commented project file to start from."""
    from coralline.template import write_template

    path = write_template(name, Path())
    print(f"wrote {path}; say what to look for under `labels:`, then: coralline run {path}")


@commands.command(cls=Command, epilog="Example: coralline check glasses.yaml")
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


@commands.command(cls=Command, epilog="Example: coralline schema > project.schema.json")
def schema() -> None:
    """Print the JSON schema of a project file, for editors."""
    from coralline.project import Project

    print(json.dumps(Project.model_json_schema(), indent=1))


@commands.command(cls=Command, epilog="Example: coralline run glasses.yaml --in docker")
def run(
    project: ProjectFile,
    runs: Runs = Path("runs"),
    place: Place = "processes",
    as_json: Json = False,
) -> None:
    """Run a project's pipeline on this machine, from the crawl to the published model."""
    from coralline.project import load_project

    loaded = load_project(project)
    text = project.read_text(encoding="utf-8")
    finished = _run(loaded, project, runs, place, text, as_json=as_json)
    conclude(finished, as_json=as_json)


@commands.command(cls=Command, epilog="Example: coralline demo")
def demo(
    runs: Runs = Path("runs"),
    store: Annotated[Path, typer.Option(help="The folder for what is crawled.")] = Path("store"),
    place: Place = "processes",
    as_json: Json = False,
) -> None:
    """Glasses or no glasses: a whole run on real photos, from an image site on this machine."""
    from coralline.project import load_project

    try:
        from coralline_demo import PROJECT, image_site
    except ModuleNotFoundError:
        fix = "Install coralline-demo, or run it from a checkout: make run"
        raise CorallineError("the demo's image site is not installed", fix=fix) from None
    address = str(store.resolve())
    # The run's project file is of use afterwards: it names the store that was used.
    named = f"store: {json.dumps(address)}"
    text = re.sub("^store:.*$", lambda _: named, PROJECT.read_text(), count=1, flags=re.MULTILINE)
    loaded = load_project(PROJECT, store=address)
    with image_site():
        finished = _run(loaded, PROJECT, runs, place, text, as_json=as_json)
    project = finished.folder / "project.yaml"
    conclude(finished, as_json=as_json, review=f"coralline review {shlex.quote(str(project))}")


@commands.command(
    cls=Command, epilog="Example: coralline predict runs/latest/model photo.jpg --draw seen/"
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


def _run(
    project: Project, file: Path, runs: Path, place: Place, text: str, *, as_json: bool
) -> Run:
    from rich.console import Console

    from coralline.project import STEPS, locate
    from coralline.runs import run_here
    from coralline.view import view

    # `kill` and a service's stop end a run as Ctrl-C does: the steps keep what they have.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with view(STEPS, Console(stderr=as_json)) as show:
            return run_here(project, text, runs, show, place)
    except CorallineError as error:
        error.where = locate(error.where, file)
        raise
    except KeyboardInterrupt:
        print("interrupted; what is in the store is kept, run again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
