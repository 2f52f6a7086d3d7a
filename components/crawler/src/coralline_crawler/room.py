"""How much may wait in memory."""

from __future__ import annotations

import asyncio


class Room:
    """Keeps fetches from beginning while the images that wait to be written are too many.

    Args:
        max_bytes: How many bytes may wait; what is under way then still comes in.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._open = asyncio.Event()
        self._open.set()

    async def wait(self) -> None:
        """Wait until there is room."""
        await self._open.wait()

    def take(self, size: int) -> None:
        """So many bytes have come in, or with a negative number, have been written."""
        self._bytes += size
        if self._bytes > self._max_bytes:
            self._open.clear()
        else:
            self._open.set()
