"""A run on this machine: its process, and what it leaves behind in its folder.

runs/<time>/
summary.json, report.html, model/     what people and machines want of it
project.yaml                          the project file as it was
arguments.json                        each step's settings
containers.json                       what the steps' containers are and see, if they run in such
events.jsonl                          what the steps said
run.log                               what they printed
artifacts/                            what they passed on
runs/latest -> <time>                   the last run that came to its end
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from coralline_core.errors import CorallineError
from coralline_core.progress import ENVIRONMENT, Event, read_events
from coralline_edgetpu_compiler.settings import COMPILER, EdgeTpuTarget

from coralline.containers import prepare
from coralline.project import STEPS
from coralline.run_folder import (
    SPACE,
    check_latest,
    clear,
    failures,
    hold,
    new_folder,
    point_latest,
    put_in_place,
    temporary_folder,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from coralline.containers import Containers
    from coralline.project import Project

_CONTAINERS = "containers.json"
_LOOK = 0.1  # s between two looks at the steps' events
_PATIENCE = 30.0  # s that interrupted steps have to keep what they have
_FULL = os.strerror(errno.ENOSPC)
_LOG_END = 1 << 16  # bytes of the log in which a full disk is looked for


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        summary: What its summary.json says.
    """

    folder: Path
    summary: dict[str, Any]

    @property
    def report(self) -> Path:
        """The page that shows it all."""
        return self.folder / "report.html"

    @property
    def model(self) -> Path:
        """The model's folder."""
        return self.folder / "model"


Place = Literal["processes", "docker"]


def run_here(
    project: Project,
    project_text: str,
    runs: Path,
    show: Callable[[Event], None],
    place: Place = "processes",
) -> Run:
    """Run a project's pipeline on this machine.

    Args:
        project: What to run.
        project_text: The project file, which the run keeps.
        runs: The folder of all runs.
        show: Takes each event that a step says, soon after it was said.
        place: Whether the steps are processes, or containers of Docker.

    Raises:
        CorallineError: As a step raised it; there is no Docker, or not the images; another run is
            at work on the store; or the run's folder cannot be written.
        KeyboardInterrupt: After the steps were interrupted and kept what they had.
    """
    arguments = project.arguments()
    containers = None
    if place == "docker":
        containers = prepare(project)
    else:
        _check_compilers(project)
    check_latest(runs)
    with hold(arguments["store"]), new_folder(runs) as (folder, lock):
        clear(runs)
        write(folder / "project.yaml", project_text)
        write(folder / "arguments.json", json.dumps(arguments, indent=1) + "\n")
        if containers:
            containers = _begin(containers, folder)
        events = _execute(folder, lock, show, containers)
        summary = _finish(folder, events)
        point_latest(runs, folder)
    return Run(folder, summary)


def _check_compilers(project: Project) -> None:
    """A compiler that is required and not installed is better missed before the training."""
    for at, target in enumerate(project.compile.targets):
        if isinstance(target, EdgeTpuTarget) and target.required and not shutil.which(COMPILER):
            raise CorallineError(
                f"{COMPILER} is not installed, and the target has `required: true`",
                where=f"compile.targets.{at}",
                fix="Install it, or leave `required` out for a static check.",
            )


def _begin(containers: Containers, folder: Path) -> Containers:
    containers.stop()  # those of a run that was killed: the store is held, so they are nobody's
    containers = containers.writing_to(folder)
    write(folder / _CONTAINERS, containers.model_dump_json(indent=1) + "\n")
    return containers


def _execute(
    folder: Path, lock: int, show: Callable[[Event], None], containers: Containers | None
) -> list[Event]:
    """Run the pipeline's process to its end, showing events; all of them are returned."""
    said = folder / "events.jsonl"
    command = [sys.executable, "-m", "coralline.local"]
    files = ["arguments.json", "artifacts", *([_CONTAINERS] if containers else [])]
    command += [str(folder.resolve() / file) for file in files]
    environment = {**os.environ, ENVIRONMENT: str(said.resolve()), "PYTHONUNBUFFERED": "1"}
    events: list[Event] = []
    offset = 0
    with (
        # kfp leaves a folder behind for each task, and a step that is killed its unfinished shard.
        temporary_folder(folder) as temporary,
        _opened(folder / "run.log") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "TMPDIR": str(temporary.resolve())},
            process_group=0,
            pass_fds=[lock],  # it may outlive us by what its steps take to keep what they have
        ) as process,
    ):
        try:
            ended = False
            while not ended:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK)
                ended = process.returncode is not None
                fresh, offset = read_events(said, offset)
                for event in fresh:
                    show(event)
                events += fresh
        except KeyboardInterrupt:
            _interrupt(process)
            raise
        if process.returncode:
            _interrupt(process)  # a step goes on where only the pipeline's process was killed
            if containers:
                containers.stop()
            raise _failure(folder, events)
    _require_all(folder, events)
    return events


def _require_all(folder: Path, events: list[Event]) -> None:
    """A step counts as done when it says so itself.

    Docker's runner takes a container that was gone before it looked for one that did well.
    """
    ended = {event.step for event in events if event.event == "end"}
    for step in STEPS:
        if step not in ended:
            raise _unexpected(step, folder)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt every step, wait until they have kept what they have, and end what is left.

    The group is waited for, not its leader: kfp leaves its step to itself a moment later, while
    that still writes to a slow store.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE
        with suppress(KeyboardInterrupt):  # a second one: they have had their time
            while time.monotonic() < deadline:
                process.poll()  # or the leader would be of the group, dead as it is
                os.killpg(process.pid, 0)
                time.sleep(_LOOK)
        os.killpg(process.pid, signal.SIGKILL)


def _failure(folder: Path, events: list[Event]) -> CorallineError:
    for event in reversed(events):
        if event.event == "error":
            return event.error()
    started = [event.step for event in events if event.event == "start"]
    step = started[-1] if started else "the pipeline"
    log = folder / "run.log"
    if log.is_file() and _FULL.encode() in log.read_bytes()[-_LOG_END:]:
        return CorallineError(f"no space was left for {step}", where=str(folder), fix=SPACE)
    return _unexpected(step, folder)


def _unexpected(step: str, folder: Path) -> CorallineError:
    log = folder / "run.log"
    there = log.is_file()
    kept = "What is in the store is kept: run again."
    error = CorallineError(
        f"{step} ended unexpectedly",
        where=str(log if there else folder),
        fix=f"The log's end says more. {kept}" if there else kept,
    )
    error.exit_code = 1
    return error


def _finish(folder: Path, events: list[Event]) -> dict[str, Any]:
    """Put what the publisher made where people look: whole or not at all, the summary last."""
    published = next((folder / "artifacts").glob("*/publish/published"))
    summary: dict[str, Any] = json.loads((published / "summary.json").read_text())
    summary["seconds"] = {e.step: round(e.seconds, 2) for e in events if e.event == "end"}
    summary["model"] = str((folder / "model").resolve())
    with temporary_folder(folder) as whole:
        for source in sorted(published.rglob("*")):
            name = source.relative_to(published)
            with failures(folder / name):
                if source.is_dir():
                    (whole / name).mkdir()
                else:
                    shutil.copyfile(source, whole / name)
        with failures(folder / "summary.json"):
            (whole / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        put_in_place(whole, folder)
    return summary


def _opened(path: Path) -> BinaryIO:
    with failures(path):
        return path.open("wb")
