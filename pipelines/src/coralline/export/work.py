"""An export's place while it is not finished: nothing is overwritten, and nothing half is seen."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OURS = ".export"  # the folder that holds the record and the parts


class Record(Report):
    """How far an export is."""

    dataset: str
    to: str
    done: tuple[str, ...] = ()
    """Keys of the shards of which all is written."""


class Work:
    """What is written of an export.

    Attributes:
        result: The folder, or the file, that is to appear.
    """

    def __init__(self, folder: Path, record: Record, single: bool) -> None:
        self.result = folder / "result" if single else folder
        self._ours = folder / _OURS
        self._record = self._read() or record
        if (self._record.dataset, self._record.to) != (record.dataset, record.to):
            raise CorallineError(
                f"the unfinished export of {self._record.dataset} to {self._record.to} is there",
                where=str(folder),
                fix="Finish it with the same command, or delete it.",
            )
        self._parts.mkdir(parents=True, exist_ok=True)
        self._save()

    @property
    def done(self) -> frozenset[str]:
        """Keys of the shards that are done."""
        return frozenset(self._record.done)

    def finish_shard(self, key: str) -> None:
        """Note that all of a shard is written."""
        done = (*self._record.done, key)
        self._record = self._record.model_copy(update={"done": done})
        self._save()

    def parts(self, of: str) -> Parts:
        """Files for what is to be joined in the end: a shard's, by `of`, or all of one kind."""
        return Parts(self._parts, of)

    def join(self, name: str, separator: bytes = b"") -> Iterator[bytes]:
        """What all parts of a name hold, in the order of what they are of."""
        for at, path in enumerate(sorted(self._parts.glob(f"{name}@*"))):
            if at:
                yield separator
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    yield piece

    @property
    def names(self) -> list[str]:
        """Of all parts, each once."""
        return sorted({path.name.rpartition("@")[0] for path in self._parts.iterdir()})

    @property
    def _parts(self) -> Path:
        return self._ours / "parts"

    def _read(self) -> Record | None:
        path = self._ours / "record.json"
        return Record.read(path) if path.exists() else None

    def _save(self) -> None:
        beside = self._ours / "record.json.new"
        self._record.write(beside)
        beside.replace(self._ours / "record.json")


class Parts:
    """Files that are begun anew whenever what they are of is begun anew. A context manager."""

    def __init__(self, folder: Path, of: str) -> None:
        self._folder = folder
        self._of = of
        self._files: dict[str, BinaryIO] = {}
        self._open = ExitStack()

    def __getitem__(self, name: str) -> BinaryIO:
        if name not in self._files:
            file = (self._folder / f"{name}@{self._of}").open("wb")
            self._files[name] = self._open.enter_context(file)
        return self._files[name]

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()


@contextmanager
def unfinished(out: Path, dataset: str, to: str, *, single: bool) -> Iterator[Work]:
    """A place beside `out` to write in; what is in it goes to `out` when the context ends well.

    Args:
        out: Where nothing may be yet, or an empty folder.
        dataset: The id of what is exported: with `to`, what another time must be to go on.
        to: The form.
        single: The result is one file.

    Raises:
        CorallineError: Something is there, another export is at work, or the disk is full.
    """
    if not out.name:  # `.` or `/`
        fix = "Name one that is not there yet."
        raise CorallineError("an export makes a folder of its own", where=str(out), fix=fix)
    folder = out.with_name(f"{out.name}.unfinished")
    with _failures(out):
        _refuse_what_is_there(out, single)
        _refuse_what_is_not_ours(folder)
        (folder / _OURS).mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            work = Work(folder, Record(dataset=dataset, to=to), single)
            yield work
            _refuse_what_is_there(out, single)
            work.result.rename(out)
            # The result is there, whenever this is interrupted.
            shutil.rmtree(folder if single else out / _OURS)


def _refuse_what_is_there(out: Path, single: bool) -> None:
    empty = out.is_dir() and not single and not any(out.iterdir())
    if not empty and os.path.lexists(out):
        raise CorallineError(
            "something is there already, and nothing is overwritten",
            where=str(out),
            fix="Name another place, or move it away.",
        )


def _refuse_what_is_not_ours(folder: Path) -> None:
    ours = folder.is_dir() and ((folder / _OURS).is_dir() or not any(folder.iterdir()))
    if not ours and os.path.lexists(folder):
        raise CorallineError(
            "it is in the way of the export, which is written there at first",
            where=str(folder),
            fix="Move it away.",
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder; the operating system lets go of it however the process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        fix = "Wait for it to end."
        raise CorallineError("another export is at work", where=str(folder), fix=fix) from None
    finally:
        os.close(descriptor)


@contextmanager
def _failures(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise CorallineError(
            error.strerror or str(error),
            where=str(error.filename or out),
            fix="Free some space and run it again: it goes on where it was."
            if full
            else "Name a place that you may write.",
        ) from error
