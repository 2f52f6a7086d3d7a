"""A project on Kubernetes as plain Jobs: print them, and follow them to the model."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coralline.cli.shared import Command, Json, ProjectFile, Runs, conclude

commands = typer.Typer()


@commands.command(
    cls=Command, epilog="Example: coralline manifests glasses.yaml | kubectl apply -f -"
)
def manifests(
    project: ProjectFile,
    run: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The run's name; by default the project's and the time."),
    ] = None,
    reviewer: Annotated[
        bool, typer.Option("--reviewer", help="The page to review crops on, in place of a run.")
    ] = False,
) -> None:
    """Print a run of a project as Kubernetes Jobs, one a step; or the project's reviewer."""
    import yaml

    from coralline.cluster.jobs.manifests import manifests, name_run
    from coralline.project import load_project

    loaded = load_project(project, reach=False)
    if reviewer:
        from coralline.cluster.reviewer import reviewer as review

        if run is not None:
            raise typer.BadParameter("--run names a run, and --reviewer is none")
        made = review(loaded)
    else:
        made = manifests(loaded, run or name_run(loaded, datetime.now(UTC)))
    print(yaml.safe_dump_all(made, sort_keys=False), end="")


@commands.command(cls=Command, epilog="Example: coralline follow glasses.yaml")
def follow(
    project: ProjectFile,
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="The run; by default the newest.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="The cluster, as a context of kubectl's.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Follow a run of Jobs to its end, and fetch its report and its model."""
    from coralline.cluster.jobs.api import Cluster
    from coralline.cluster.jobs.follow import follow, newest_run
    from coralline.cluster.jobs.results import bring
    from coralline.project import load_project

    loaded = load_project(project, reach=False)
    out = sys.stderr if as_json else sys.stdout
    try:
        cluster = Cluster(loaded.kubernetes.namespace, context)
        run = run or newest_run(cluster, loaded)
        follow(cluster, loaded.kubernetes, run, lambda line: print(line, file=out, flush=True))
        finished = bring(loaded.open_store(), run, runs)
    except KeyboardInterrupt:
        print("interrupted; the run goes on, and can be followed again", file=sys.stderr)
        raise typer.Exit(130) from None
    conclude(finished, as_json=as_json)
