"""A store over the years: forget, clear and check."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Annotated

import typer

from coralline.cli.shared import Command, Json, ProjectFile, StorePlace, working

commands = typer.Typer()


@commands.command(
    cls=Command,
    epilog='Example: coralline forget glasses.yaml https://a.org/1.jpg --why "she asked us to"',
)
def forget(
    project: ProjectFile,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="WHAT",
            help="The URL of an image or of its page, or how an image's sha256 begins.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Required: why. It is kept with it.", show_default=False),
    ] = None,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Who wanted it.")] = None,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Take along what looks the same.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show it, and change nothing.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show what is forgotten.")] = False,
    as_json: Json = False,
) -> None:
    """Take an image out of all datasets from the next run on, and never fetch it again."""
    from coralline.project import load_project
    from coralline.upkeep import forget as forgetting

    loaded = load_project(project)
    store = loaded.open_store()
    if show:
        notices = forgetting.notices(store)
        as_data = [notice.model_dump(mode="json") for notice in notices]
        print(json.dumps(as_data, indent=1) if as_json else forgetting.listed(notices))
        return
    if what is None or not (why or dry_run):
        raise typer.BadParameter("WHAT and --why are needed, or --list")
    meant = forgetting.find(store, what, loaded.curate.near_duplicate_distance)
    done = forgetting.forget(
        store, meant, why or "", who, near_duplicates=near_duplicates, dry_run=dry_run
    )
    print(done.model_dump_json(indent=1) if as_json else done)


@commands.command(cls=Command, epilog="Example: coralline gc glasses.yaml --keep-last 10 --delete")
def gc(
    project: StorePlace,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it, too.")] = False,
    keep_last: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Of each kind of dataset keep the newest N, and those behind a model; else all.",
            show_default=False,
        ),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Longer than any run takes: 90m, 24h, 7d. An hour is added, as clocks differ.",
        ),
    ] = "24h",
    forgotten: Annotated[
        bool,
        typer.Option(
            "--forgotten",
            help="Also what holds forgotten images, with the datasets that name it: those behind "
            "a model, too.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what no dataset and no crawl needs any more, and delete it with --delete."""
    from coralline.project import open_store_of
    from coralline.run_folder import hold
    from coralline.upkeep.garbage import GcReport
    from coralline.upkeep.gc import cutoff, delete_garbage, find_garbage

    before = cutoff(older_than)
    store = open_store_of(project)
    with working("gc") as progress, hold(store.uri) if delete else nullcontext():
        found = find_garbage(store, before, progress, keep_last, forgotten=forgotten)
        if delete:
            report = delete_garbage(store, found, progress)
        else:
            report = GcReport.of(found.garbage, found, deleted=False)
    print(report.model_dump_json(indent=1) if as_json else report)


@commands.command(cls=Command, epilog="Example: coralline verify glasses.yaml")
def verify(
    project: StorePlace,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be put right.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at presence and size, and read no shard.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that all of a store is there and is what was written."""
    from coralline_core.errors import GateError

    from coralline.project import open_store_of
    from coralline.run_folder import hold
    from coralline.upkeep.repair import repair as mend
    from coralline.upkeep.verify import verify as look

    store = open_store_of(project)
    with working("verify") as progress, hold(store.uri) if repair else nullcontext():
        checked = look(store, progress, quick=quick)
        report = mend(store, checked, progress) if repair else checked.report
    print(report.model_dump_json(indent=1) if as_json else report)
    if not report.well:
        fix = None if repair else f"Put right what can be: coralline verify {project} --repair"
        raise GateError("the store is damaged", where=store.uri, fix=fix)
