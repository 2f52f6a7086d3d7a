"""A run: its folder, its lock, its process, and what it leaves behind.

runs/<time>/
summary.json, report.html, model/     what people and machines want of it
project.yaml                          the project file as it was
arguments.json                        each step's settings
events.jsonl                          what the steps said
run.log                               what they printed
artifacts/                            what they passed on
runs/latest -> <time>                   the last run that came to its end
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coralline_core.errors import CorallineError
from coralline_core.progress import ENVIRONMENT, Event, read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coralline.project import Project

_LOOK = 0.1  # s between two looks at the steps' events
_PATIENCE = 30.0  # s that interrupted steps have to keep what they have


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


def run_here(project: Project, project_text: str, runs: Path, show: Callable[[Event], None]) -> Run:
    """Run a project's pipeline in processes on this machine.

    Args:
        project: What to run.
        project_text: The project file, which the run keeps.
        runs: The folder of all runs.
        show: Takes each event that a step says, soon after it was said.

    Raises:
        CorallineError: As a step raised it, or another run is at work here.
        KeyboardInterrupt: After the steps were interrupted and kept what they had.
    """
    with _lock(runs):
        folder = _new_folder(runs)
        (folder / "project.yaml").write_text(project_text, encoding="utf-8")
        (folder / "arguments.json").write_text(json.dumps(project.arguments(), indent=1) + "\n")
        events = _execute(folder, show)
        summary = _finish(folder, events)
        _point_latest(runs, folder)
    return Run(folder, summary)


def _new_folder(runs: Path) -> Path:
    now = datetime.datetime.now(datetime.UTC)
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = runs / (now.strftime("%Y%m%dT%H%M%SZ") + suffix)
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise CorallineError("a hundred runs began in this second", where=str(runs))


@contextmanager
def _lock(runs: Path) -> Iterator[None]:
    """Hold the folder of runs: two crawls into one store would fetch everything twice.

    The operating system lets go of it when the process ends, however it ends.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        file = (runs / ".lock").open("w")
    except OSError as error:
        fix = "Name another folder with --runs."
        raise CorallineError(f"{error.strerror}", where=str(runs), fix=fix) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "Wait for it, or name another folder with --runs."
            raise CorallineError("another run is at work", where=str(runs), fix=fix) from None
        yield


def _execute(folder: Path, show: Callable[[Event], None]) -> list[Event]:
    """Run the pipeline's process to its end, showing events; all of them are returned."""
    said = folder / "events.jsonl"
    command = [sys.executable, "-m", "coralline.local"]
    command += [str(folder / "arguments.json"), str(folder / "artifacts")]
    environment = {**os.environ, ENVIRONMENT: str(said), "PYTHONUNBUFFERED": "1"}
    events: list[Event] = []
    offset = 0
    with (
        # kfp leaves a folder behind for each task, and a step that is killed its unfinished shard.
        tempfile.TemporaryDirectory(prefix=".temporary-", dir=folder) as temporary,
        (folder / "run.log").open("wb") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "TMPDIR": temporary},
            process_group=0,
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
        raise _failure(folder, events)
    return events


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Interrupt every step, wait until they have kept what they have, and end what is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(_PATIENCE)
        os.killpg(process.pid, signal.SIGKILL)


def _failure(folder: Path, events: list[Event]) -> CorallineError:
    for event in reversed(events):
        if event.event == "error":
            return event.error()
    started = [event.step for event in events if event.event == "start"]
    step = started[-1] if started else "the pipeline"
    error = CorallineError(
        f"{step} ended unexpectedly",
        where=str(folder / "run.log"),
        fix="The log's end says more. What is in the store is kept: run again.",
    )
    error.exit_code = 1
    return error


def _finish(folder: Path, events: list[Event]) -> dict[str, Any]:
    """Put what the publisher made where people look, the summary last."""
    published = next((folder / "artifacts").glob("*/publish/published"))
    shutil.copytree(published / "model", folder / "model")
    shutil.copyfile(published / "report.html", folder / "report.html")
    summary: dict[str, Any] = json.loads((published / "summary.json").read_text())
    summary["seconds"] = {e.step: round(e.seconds, 2) for e in events if e.event == "end"}
    summary["model"] = str((folder / "model").resolve())
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def _point_latest(runs: Path, folder: Path) -> None:
    pointer = runs / ".latest"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(folder.name)
    pointer.replace(runs / "latest")
