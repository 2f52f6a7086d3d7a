"""A run: its folder, its lock, its process, and what it leaves behind.

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

import datetime
import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from coralline_core.errors import CorallineError
from coralline_core.progress import ENVIRONMENT, Event, read_events
from coralline_edgetpu_compiler.settings import COMPILER, EdgeTpuTarget

from coralline.containers import prepare
from coralline.project import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coralline.containers import Containers
    from coralline.project import Project

_CONTAINERS = "containers.json"
_LOOK = 0.1  # s between two looks at the steps' events
_PATIENCE = 30.0  # s that interrupted steps have to keep what they have
_TEMPORARY = ".temporary-"
_SPACE = "Free some space, or name another folder with --runs."
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
    _check_latest(runs)
    with hold(arguments["store"]), _new_folder(runs) as (folder, lock):
        _clear(runs)
        _write(folder / "project.yaml", project_text)
        _write(folder / "arguments.json", json.dumps(arguments, indent=1) + "\n")
        if containers:
            containers = _begin(containers, folder)
        events = _execute(folder, lock, show, containers)
        summary = _finish(folder, events)
        _point_latest(runs, folder)
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


def _check_latest(runs: Path) -> None:
    """A run ends with a link: what is in its place is better said before the run."""
    with _failures(latest := runs / "latest"):
        taken = latest.exists() and not latest.is_symlink()
    if taken:
        what = "not a link, and a run puts one to itself there"
        fix = "Move it away, or name another folder with --runs."
        raise CorallineError(what, where=str(latest), fix=fix)


@contextmanager
def hold(store: str) -> Iterator[None]:
    """Hold the store: two crawls into one at once would fetch everything twice.

    The operating system lets go of it when the process ends, however it ends. The lock is this
    machine's, beside the store, so that nothing is made in the store before there is anything.
    """
    name = f"coralline-{hashlib.sha256(store.encode()).hexdigest()[:16]}.lock"
    with _failures(path := Path(tempfile.gettempdir(), name)):
        try:
            descriptor = os.open(path, os.O_RDONLY)  # where another user's may not be "created"
        except FileNotFoundError:
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        with _failures(path):
            locked = _locked(descriptor)
        if not locked:
            fix = "Wait for it to end."
            raise CorallineError("another run is at work on this store", where=store, fix=fix)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _new_folder(runs: Path) -> Iterator[tuple[Path, int]]:
    """A run's own folder, and the descriptor by which it is held while the run lives."""
    now = datetime.datetime.now(datetime.UTC)
    with _failures(runs):
        runs.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *(f"-{n}" for n in range(2, 100))):
            folder = runs / (now.strftime("%Y%m%dT%H%M%SZ") + suffix)
            with suppress(FileExistsError):
                folder.mkdir()
                break
        else:
            raise CorallineError("a hundred runs began in this second", where=str(runs))
        lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: then nobody clears folders there
            _locked(lock)
        yield folder, lock
    finally:
        os.close(lock)


def _locked(descriptor: int) -> bool:
    """Lock what the descriptor is of, unless somebody has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear(runs: Path) -> None:
    """Remove the temporary files of runs that were killed: of folders that nobody holds."""
    for temporary in runs.glob(f"*/{_TEMPORARY}*"):
        with suppress(OSError):
            lock = os.open(temporary.parent, os.O_RDONLY)
            try:
                if _locked(lock):
                    shutil.rmtree(temporary)
            finally:
                os.close(lock)


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Say what is the matter with a file of ours in one line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = _SPACE if full else "Name another folder with --runs."
        raise CorallineError(error.strerror or str(error), where=str(path), fix=fix) from error


def _write(path: Path, text: str) -> None:
    with _failures(path):
        path.write_text(text, encoding="utf-8")


def _begin(containers: Containers, folder: Path) -> Containers:
    containers.stop()  # those of a run that was killed: the store is held, so they are nobody's
    containers = containers.writing_to(folder)
    _write(folder / _CONTAINERS, containers.model_dump_json(indent=1) + "\n")
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
        _temporary(folder) as temporary,
        _log(folder / "run.log") as log,
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


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder in the run's own, gone afterwards."""
    with _failures(folder):
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # what is left the next run clears


def _log(path: Path) -> BinaryIO:
    with _failures(path):
        return path.open("wb")


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
        return CorallineError(f"no space was left for {step}", where=str(folder), fix=_SPACE)
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
    with _temporary(folder) as whole:
        for source in sorted(published.rglob("*")):
            name = source.relative_to(published)
            with _failures(folder / name):
                if source.is_dir():
                    (whole / name).mkdir()
                else:
                    shutil.copyfile(source, whole / name)
        with _failures(folder / "summary.json"):
            (whole / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
        for part in ("model", "report.html", "summary.json"):
            with _failures(folder / part):
                (whole / part).rename(folder / part)
    return summary


def _point_latest(runs: Path, folder: Path) -> None:
    with _failures(runs / "latest"):
        pointer = folder / ".latest"  # made in the run's own folder, where no other run makes one
        pointer.symlink_to(folder.name)
        pointer.replace(runs / "latest")
