"""A run's folder: made, held while the run lives, and pointed at when it has come to its end."""

from __future__ import annotations

import datetime
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPORARY = ".temporary-"
SPACE = "Free some space, or name another folder with --runs."


@contextmanager
def hold(store: str) -> Iterator[None]:
    """Hold the store: two crawls into one at once would fetch everything twice.

    The operating system lets go of it when the process ends, however it ends. The lock is this
    machine's, beside the store, so that nothing is made in the store before there is anything.
    """
    name = f"coralline-{hashlib.sha256(store.encode()).hexdigest()[:16]}.lock"
    with failures(path := Path(tempfile.gettempdir(), name)):
        try:
            descriptor = os.open(path, os.O_RDONLY)  # where another user's may not be "created"
        except FileNotFoundError:
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        with failures(path):
            locked = _locked(descriptor)
        if not locked:
            fix = "Wait for it to end."
            raise CorallineError("another run is at work on this store", where=store, fix=fix)
        yield
    finally:
        os.close(descriptor)


def check_latest(runs: Path) -> None:
    """A run ends with a link: what is in its place is better said before the run."""
    with failures(latest := runs / "latest"):
        taken = latest.exists() and not latest.is_symlink()
    if taken:
        what = "not a link, and a run puts one to itself there"
        fix = "Move it away, or name another folder with --runs."
        raise CorallineError(what, where=str(latest), fix=fix)


@contextmanager
def new_folder(runs: Path) -> Iterator[tuple[Path, int]]:
    """A run's own folder, and the descriptor by which it is held while the run lives."""
    now = datetime.datetime.now(datetime.UTC)
    with failures(runs):
        runs.mkdir(parents=True, exist_ok=True)
        for suffix in ("", *(f"-{n}" for n in range(2, 100))):
            folder = runs / (now.strftime("%Y%m%dT%H%M%SZ") + suffix)
            with suppress(FileExistsError):
                folder.mkdir()
                break
        else:
            raise CorallineError("a hundred runs began in this second", where=str(runs))
    with held(folder) as lock:
        yield folder, lock


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold a run's folder, so that no other run clears what is temporary in it: its descriptor."""
    with failures(folder):
        lock = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: then nobody clears folders there
            _locked(lock)
        yield lock
    finally:
        os.close(lock)


def clear(runs: Path) -> None:
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
def temporary_folder(folder: Path) -> Iterator[Path]:
    """A folder in the run's own, gone afterwards."""
    with failures(folder):
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)  # what is left the next run clears


def point_latest(runs: Path, folder: Path) -> None:
    """Let `latest` lead to a run that has come to its end."""
    with failures(runs / "latest"):
        pointer = folder / ".latest"  # made in the run's own folder, where no other run makes one
        pointer.symlink_to(folder.name)
        pointer.replace(runs / "latest")


def put_in_place(published: Path, folder: Path) -> None:
    """Move what the publisher made to where people look, the summary last: with it, it is whole."""
    for part in ("model", "report.html", "summary.json"):
        with failures(folder / part):
            (published / part).rename(folder / part)


def write(path: Path, text: str) -> None:
    """Write a text file of a run."""
    with failures(path):
        path.write_text(text, encoding="utf-8")


@contextmanager
def failures(path: Path) -> Iterator[None]:
    """Say what is the matter with a file of ours in one line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = SPACE if full else "Name another folder with --runs."
        raise CorallineError(error.strerror or str(error), where=str(path), fix=fix) from error


def _locked(descriptor: int) -> bool:
    """Lock what the descriptor is of, unless somebody has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
