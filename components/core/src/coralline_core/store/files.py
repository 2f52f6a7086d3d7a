"""A store in a folder."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from coralline_core.errors import CorallineError
from coralline_core.store.protocol import Stat, Stored, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITING = ".writing"


class FileStore:
    """A store in a folder of this machine.

    An object is written beside its place and then renamed or linked into it, so that it is whole
    or absent whenever the process dies. Compare-and-swap holds a lock of the operating system,
    which ends with the process.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = root.as_uri()

    def get(self, key: str) -> Stored | None:
        """See Store."""
        with self._failures(key):
            try:
                data = self._path(key).read_bytes()
            except (FileNotFoundError, IsADirectoryError):
                return None
        return Stored(data, hashlib.sha256(data).hexdigest())

    def put(self, key: str, data: bytes | Path) -> None:
        """See Store."""
        with self._failures(key), self._written(data) as temporary:
            place = self._place(key)
            temporary.replace(place)
            _sync_folder(place.parent)

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """See Store."""
        with self._failures(key), self._written(data) as temporary:
            place = self._place(key)
            if etag is None:
                try:
                    place.hardlink_to(temporary)
                except FileExistsError:
                    return False
            else:
                with self._lock(key):
                    current = self.get(key)
                    if current is None or current.etag != etag:
                        return False
                    temporary.replace(place)
            _sync_folder(place.parent)
        return True

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See Store."""
        with self._failures(prefix):
            keys = (path.relative_to(self.root).as_posix() for path in self._files(prefix))
            found = sorted(key for key in keys if key.startswith(prefix) and key > after)
        yield from found

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        with self._failures(key):
            try:
                return self._path(key).open("rb")
            except FileNotFoundError:
                raise CorallineError(
                    f"{key} is missing", where=self.uri, fix="Run again, or restore the object."
                ) from None

    def stat(self, key: str) -> Stat | None:
        """See Store. The clock is that of the folder's file system."""
        with self._failures(key):
            try:
                status = self._path(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not S_ISREG(status.st_mode):
            return None
        return Stat(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, key: str) -> None:
        """See Store."""
        with self._failures(key):
            self._path(key).unlink(missing_ok=True)

    def sweep(self, before: datetime) -> int:
        """See Store."""
        swept = 0
        with self._failures(_WRITING):
            for path in (self.root / _WRITING).glob("*"):
                with suppress(FileNotFoundError):  # its writer has ended meanwhile
                    if path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        swept += 1
        return swept

    def check_writable(self) -> None:
        """See Store."""
        nearest = self.root
        try:
            while not nearest.exists() and nearest != nearest.parent:
                nearest = nearest.parent
            if not nearest.is_dir():
                raise self._unwritable(f"{nearest} is not a folder")
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from error

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _place(self, key: str) -> Path:
        place = self._path(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _files(self, prefix: str) -> Iterator[Path]:
        """The files of the folder that the prefix is in; not pathlib's, which hides failures."""

        def fail(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise error

        for name, folders, files in os.walk(self.root / prefix.rpartition("/")[0], onerror=fail):
            folder = Path(name)
            if folder == self.root:  # the store's own, no objects
                folders[:] = [name for name in folders if not name.startswith(".")]
                files = [name for name in files if not name.startswith(".")]
            yield from (path for path in map(folder.joinpath, files) if path.is_file())

    @contextmanager
    def _written(self, data: bytes | Path) -> Iterator[Path]:
        """`data` in a file of its own on the store's file system, gone afterwards."""
        folder = self.root / _WRITING
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / uuid.uuid4().hex  # not mkstemp's, which nobody else could ever read
        try:
            with path.open("xb") as file:
                if isinstance(data, Path):
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                else:
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        folder = self.root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / key.replace("/", "%")).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            fix = (
                "Free some space and run again; what is stored is kept."
                if error.errno in (errno.ENOSPC, errno.EDQUOT)
                else "Check the folder and its permissions, or set another `store:`."
            )
            why = error.strerror or str(error)
            what = f"cannot reach {key}: {why}" if key else why
            raise CorallineError(what, where=self.uri, fix=fix) from error

    def _unwritable(self, why: str) -> CorallineError:
        return CorallineError(
            f"the store cannot be written: {why}",
            where=self.uri,
            fix="Set `store:` to a folder that you may write.",
        )


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
