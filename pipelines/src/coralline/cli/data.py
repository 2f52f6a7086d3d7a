"""The datasets of a store: list, compare, export, import, correct and review them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from coralline_core.errors import CorallineError

from coralline.cli.shared import Command, Json, ProjectFile, StorePlace, print_wide, working

if TYPE_CHECKING:
    from coralline_core.reports import Report

commands = typer.Typer()
Format = Literal["folder", "hf", "coco", "csv"]


@commands.command(cls=Command, epilog="Example: coralline datasets glasses.yaml --last 10")
def datasets(
    project: StorePlace,
    last: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the N newest.")] = None,
    as_json: Json = False,
) -> None:
    """List the datasets of a project's store, the newest first."""
    from coralline.datasets import listing, table
    from coralline.project import open_store_of

    store = open_store_of(project)
    found = listing(store, last)
    if as_json:
        print(found.model_dump_json(indent=1))
    elif found.datasets:
        print_wide(table(found.datasets))
    else:
        print(f"no datasets in {store.uri}")
    if found.unreadable:
        key, why = next(iter(found.unreadable.items()))
        more = f" ({len(found.unreadable) - 1} more such)" if len(found.unreadable) > 1 else ""
        raise CorallineError(why + more, where=key, fix="Restore it, or update coralline.")


@commands.command(cls=Command, epilog="Example: coralline diff glasses.yaml 49f69870 9a33aef9")
def diff(
    project: StorePlace,
    before: Annotated[
        str, typer.Argument(metavar="A", help="The older dataset: how its id begins.")
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="The newer one.")],
    examples: Annotated[
        int, typer.Option(metavar="N", min=0, help="Changes to name, of each kind and label.")
    ] = 5,
    as_json: Json = False,
) -> None:
    """Say what came, went and changed its label or split from dataset A to dataset B."""
    from coralline.datasets import find
    from coralline.diff import diff as compare
    from coralline.diff_view import rendered
    from coralline.project import open_store_of

    store = open_store_of(project)
    pair = find(store, before), find(store, after)
    found = compare(store, *pair, examples=None if as_json else examples)
    if as_json:
        print(found.model_dump_json(indent=1))
    else:
        print_wide(*rendered(found))


@commands.command(
    cls=Command, epilog="Example: coralline export glasses.yaml 49f69870 --to hf out/"
)
def export(
    project: StorePlace,
    dataset: Annotated[str, typer.Argument(metavar="ID", help="The dataset: how its id begins.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="What is made: a folder, or a file for csv.")
    ],
    to: Annotated[
        Format,
        typer.Option(
            metavar="FORM",
            help="folder (images by split and label), hf (Hugging Face), coco, or csv (no images).",
        ),
    ],
) -> None:
    """Write a dataset for other tools, with creator, page and licence of every image."""
    from coralline.datasets import find
    from coralline.export import export as write
    from coralline.project import open_store_of

    store = open_store_of(project)
    found = find(store, dataset)
    with working("export") as progress:
        write(store, found, to, out, progress)
    print(out)


@commands.command("import", cls=Command, epilog="Example: coralline import glasses.yaml my-photos/")
def import_(
    project: ProjectFile,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A folder with a subfolder for each label, or a CSV file with the column image, "
            "and label or boxes (x1,y1,x2,y2).",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Take images that you have into a project's store; the next run's dataset has them."""
    from coralline.imports import import_into
    from coralline.project import load_project
    from coralline.run_folder import hold

    loaded = load_project(project)
    with working("import") as progress, hold(loaded.open_store().uri):
        done = import_into(loaded, project, source, progress)
    print(done.model_dump_json(indent=1) if as_json else done)


@commands.command(
    cls=Command, epilog="Example: coralline correct glasses.yaml 3f9c01ab 77d0e2c4 --label glasses"
)
def correct(
    project: ProjectFile,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SHA256...", help="Images or crops: the first 8 hex digits or more."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What they show.", show_default=False)
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="They show none of the labels: leave them out.")
    ] = False,
    said: Annotated[
        bool, typer.Option("--list", help="Show what was said and counts, the newest last.")
    ] = False,
    taken_back: Annotated[
        str | None,
        typer.Option(
            "--take-back",
            metavar="ID",
            help="Have this count no more: an id of --list, or how it begins.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Kept with it.", show_default=False)
    ] = None,
    who: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who says so.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what images or single crops show; the next run's dataset has them so."""
    from coralline.correct import correct as write_down
    from coralline.project import load_project
    from coralline.statements import listing, take_back

    if said + (taken_back is not None) + bool(images) != 1:
        raise typer.BadParameter("images, --list or --take-back: one of them is needed")
    if bool(images) and none == (label is not None):
        raise typer.BadParameter("either --label or --none is needed")
    loaded = load_project(project)
    done: Report
    if images:
        done = write_down(loaded, images, label, why, who)
    elif taken_back is not None:
        done = take_back(loaded.open_store(), taken_back, why, who)
    else:
        done = listing(loaded.open_store())
    print(done.model_dump_json(indent=1) if as_json else done)


@commands.command(cls=Command, epilog="Example: coralline review glasses.yaml --who Ada")
def review(
    project: ProjectFile,
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65535, help="Where to listen; 0: any free one."),
    ] = 8080,
    who: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who you are: kept with corrections.", show_default=False
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Look at a project's crops on a web page, and relabel them; the next run learns from it."""
    import threading
    import webbrowser

    from coralline_reviewer.serve import serve
    from coralline_reviewer.settings import ReviewSettings

    from coralline.project import load_project

    loaded = load_project(project)
    settings = ReviewSettings(name=loaded.name, labels=tuple(loaded.labels))

    def ready(address: str) -> None:
        print(f"{address}  (Ctrl-C ends it; what the page calls kept is in the store)", flush=True)
        if browser:  # some browsers come back when they are closed
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(settings, loaded.open_store(), port=port, who=who, ready=ready)
