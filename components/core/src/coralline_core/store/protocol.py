"""What a store can do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

RESOLUTION = timedelta(seconds=1)
"""By less than this an object may be younger than its store's clock says: S3 shows whole seconds.
"""


class Stored(NamedTuple):
    """An object's bytes, and the etag that a compare-and-swap on it names."""

    data: bytes
    etag: str


class Stat(NamedTuple):
    """What is known of an object without its bytes."""

    bytes: int
    modified: datetime
    """When it was last written, in UTC, by the store's clock and not this machine's."""


def checked(key: str) -> str:
    """The key, if it is one.

    Raises:
        ValueError: It is empty, absolute, or leads out of the store.
    """
    parts = PurePosixPath(key).parts
    if not parts or key.startswith("/") or ".." in parts:
        raise ValueError(f"not a key: {key!r}")
    return key


class Store(Protocol):
    """Objects under keys such as `shards/ab12.parquet`. A reader never sees half an object.

    Every verb may be used by several threads at once, and raises CorallineError where the store
    cannot be reached. What may pass is tried again for two minutes first.
    """

    uri: str

    def get(self, key: str) -> Stored | None:
        """The object under `key`, whole, or None where there is none."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Write `data`, or the file at a path, under `key`, whatever was there.

        A file is streamed: memory does not grow with its size.
        """

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """Write only if the object still has `etag` (None: only if there is none).

        Returns:
            Whether it was written. False means that the object is another writer's now: one that
            came first; or one that came at once after and replaced it, where the answer to this one
            was lost on its way. A bucket does not tell which. So whoever hears False must look
            what is there and decide anew. Where nobody replaces an object, as no append-only record
            is replaced, it always means that nothing was written.
        """

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Every key that starts with `prefix`, in order.

        Args:
            prefix: A folder with its slash, or any other beginning.
            after: Only the keys that come after this one; a bucket is asked for no others. It need
                not be there, and may be no folder of keys: some services leave those out, too.
        """

    def open(self, key: str) -> BinaryIO:
        """The object under `key` as a seekable file, of which is fetched what is read.

        Raises:
            CorallineError: There is no such object.
        """

    def stat(self, key: str) -> Stat | None:
        """How large the object under `key` is and when it was written; None where there is none."""

    def delete(self, key: str) -> None:
        """Remove the object under `key`, if there is one."""

    def sweep(self, before: datetime) -> int:
        """Remove what writers that died before a time have left unfinished; objects stay.

        Args:
            before: Long enough ago that nobody is still writing what was begun by then.

        Returns:
            How many unfinished writes were removed.
        """

    def check_writable(self) -> None:
        """Try whether objects can be written, and conditionally; leave everything as it is.

        Raises:
            CorallineError: They cannot. This is said within seconds, without much patience.
        """
