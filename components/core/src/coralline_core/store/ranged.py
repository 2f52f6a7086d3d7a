"""An object somewhere else as a seekable file."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_BUFFER = 1 << 20


def open_ranged(size: int, read: Callable[[int, int], bytes]) -> BinaryIO:
    """A file of which only what is asked for is fetched, in ranges of a megabyte and more.

    So whoever reads some columns of a Parquet file fetches little else, whatever its size.

    Args:
        size: Of the object, in bytes.
        read: Gives the bytes from `start` to before `stop`.
    """
    return cast("BinaryIO", io.BufferedReader(_Ranged(size, read), _BUFFER))


class _Ranged(io.RawIOBase):
    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readall(self) -> bytes:
        data = bytearray(max(0, self._size - self._at))  # at once: else in pieces of 8 kB
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        stop = min(self._at + len(view), self._size)
        if stop <= self._at:
            return 0
        data = self._read(self._at, stop)
        if len(data) != stop - self._at:
            raise OSError(f"{stop - self._at} bytes were asked for, {len(data)} came")
        view[: len(data)] = data
        self._at = stop
        return len(data)
