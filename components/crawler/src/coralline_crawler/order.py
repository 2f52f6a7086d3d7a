"""Results that come as they please, taken in the order of what was asked."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Holds results back until all before them are there.

    Of two files that are the same, the crawler keeps the one that its source named first, whatever
    the network does; so the same sites give the same dataset. But a slow site must not fill the
    memory: with more than `max_size` held, everything is let go as it is.

    Args:
        max_size: Most that is held, in the unit of `put`.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._next = 0
        self._held: dict[int, tuple[T, int]] = {}
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, index: int, result: T, size: int) -> None:
        """Hand in a result.

        Args:
            index: Its place, from 0; every place is handed in once.
            result: The result.
            size: Of it.
        """
        self._held[index] = result, size
        self._size += size

    def take(self, everything: bool = False) -> list[T]:
        """What may go, in order.

        Args:
            everything: Take what has nothing but gaps before it, too.
        """
        taken = []
        while self._next in self._held or self._next in self._gone:
            if self._next in self._held:
                taken.append(self._pop(self._next))
            self._gone.discard(self._next)
            self._next += 1
        if everything or self._size > self._max_size:
            self._gone |= self._held.keys()
            taken += [self._pop(index) for index in sorted(self._held)]
        return taken

    def _pop(self, index: int) -> T:
        result, size = self._held.pop(index)
        self._size -= size
        return result
