"""What a store can do."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Stored(NamedTuple):
    """An object's bytes, and the etag that a compare-and-swap on it names."""

    data: bytes
    etag: str


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
    """Objects under keys such as `shards/ab12.parquet`. A reader never sees half an object."""

    uri: str

    def get(self, key: str) -> Stored | None:
        """The object under `key`, whole, or None where there is none."""

    def put(self, key: str, data: bytes | Path) -> None:
        """Write `data`, or the file at a path, under `key`, whatever was there."""

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """Write only if the object still has `etag` (None: only if there is none).

        Returns:
            Whether it was written; False means that another writer came first.
        """

    def list(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix`, in order."""

    def open(self, key: str) -> BinaryIO:
        """The object under `key` as a seekable file.

        Raises:
            CorallineError: There is no such object.
        """

    def delete(self, key: str) -> None:
        """Remove the object under `key`, if there is one."""

    def check_writable(self) -> None:
        """Try whether objects can be written, and conditionally; leave everything as it is.

        Raises:
            CorallineError: They cannot.
        """
