"""The `coralline` command. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from coralline_core.errors import CorallineError
from typer.core import TyperArgument, TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.progress import Progress
    from rich.console import RenderableType

    from coralline.project import Project
    from coralline.runs import Run

Format = Literal["folder", "hf", "coco", "csv"]

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
StorePlace = Annotated[
    str,
    typer.Argument(metavar="PROJECT", help="The project file, or its store: a folder or a URI."),
]
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


@app.command(cls=_Command, epilog="Example: coralline datasets glasses.yaml --last 10")
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
        _print_wide(table(found.datasets))
    else:
        print(f"no datasets in {store.uri}")
    if found.unreadable:
        key, why = next(iter(found.unreadable.items()))
        more = f" ({len(found.unreadable) - 1} more such)" if len(found.unreadable) > 1 else ""
        raise CorallineError(why + more, where=key, fix="Restore it, or update coralline.")


@app.command(cls=_Command, epilog="Example: coralline diff glasses.yaml 49f69870 9a33aef9")
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
        _print_wide(*rendered(found))


@app.command(cls=_Command, epilog="Example: coralline export glasses.yaml 49f69870 --to hf out/")
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
    with _work("export") as progress:
        write(store, found, to, out, progress)
    print(out)


@app.command("import", cls=_Command, epilog="Example: coralline import glasses.yaml my-photos/")
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
    from coralline.runs import hold

    loaded = load_project(project)
    with _work("import") as progress, hold(loaded.open_store().uri):
        done = import_into(loaded, project, source, progress)
    print(done.model_dump_json(indent=1) if as_json else done)


@app.command(
    cls=_Command, epilog="Example: coralline correct glasses.yaml 3f9c01ab 77d0e2c4 --label glasses"
)
def correct(
    project: ProjectFile,
    images: Annotated[
        list[str],
        typer.Argument(metavar="SHA256...", help="Images: the first 8 hex digits or more."),
    ],
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What they show.", show_default=False)
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="They show none of the labels: leave them out.")
    ] = False,
    why: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Kept with it.", show_default=False)
    ] = None,
    who: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who says so.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what images show; the next run's dataset has them so, whatever query found them."""
    from coralline.correct import correct as write_down
    from coralline.project import load_project

    if none == (label is not None):
        raise typer.BadParameter("either --label or --none is needed")
    done = write_down(load_project(project), images, label, why, who)
    print(done.model_dump_json(indent=1) if as_json else done)


@app.command(
    cls=_Command,
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
    why: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with it.")] = None,
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


@app.command(cls=_Command, epilog="Example: coralline gc glasses.yaml --keep-last 10 --delete")
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
        str, typer.Option(metavar="TIME", help="Longer than any run takes: 90m, 24h, 7d.")
    ] = "24h",
    as_json: Json = False,
) -> None:
    """Show what no dataset and no crawl needs any more, and delete it with --delete."""
    from coralline.project import open_store_of
    from coralline.runs import hold
    from coralline.upkeep.gc import GcReport, cutoff, delete_garbage, find_garbage

    before = cutoff(older_than)
    store = open_store_of(project)
    with _work("gc") as progress, hold(store.uri) if delete else nullcontext():
        found = find_garbage(store, before, progress, keep_last)
        if delete:
            report = delete_garbage(store, found, before, progress)
        else:
            report = GcReport.of(found.garbage, found.young, deleted=False)
    print(report.model_dump_json(indent=1) if as_json else report)


@app.command(cls=_Command, epilog="Example: coralline verify glasses.yaml")
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
    from coralline.runs import hold
    from coralline.upkeep.repair import repair as mend
    from coralline.upkeep.verify import verify as look

    store = open_store_of(project)
    with _work("verify") as progress, hold(store.uri) if repair else nullcontext():
        checked = look(store, progress, quick=quick)
        report = mend(store, checked, progress) if repair else checked.report
    print(report.model_dump_json(indent=1) if as_json else report)
    if not report.well:
        fix = None if repair else f"Put right what can be: coralline verify {project} --repair"
        raise GateError("the store is damaged", where=store.uri, fix=fix)


@contextmanager
def _work(name: str) -> Iterator[Progress]:
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


def _print_wide(*parts: RenderableType) -> None:
    """Print for people; where no terminal is, no line is broken for one's width."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 1000
    console.print(*parts, sep="\n", soft_wrap=True)


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
