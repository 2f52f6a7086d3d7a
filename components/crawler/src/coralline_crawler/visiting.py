"""Fetching many candidates at a time, while a thread writes what has come."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from coralline_crawler.fetch import Fetcher
from coralline_crawler.ledger import FLUSH_SECONDS
from coralline_crawler.rejects import RejectedError
from coralline_crawler.results import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.progress import Progress

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.ledger import Ledger
    from coralline_crawler.order import InOrder
    from coralline_crawler.room import Room

T = TypeVar("T")
Visited = asyncio.Task[tuple[int, Result]]

HELD_BYTES = 64 << 20
_WINDOW = 1024  # candidates under way or held: enough that a slow host leaves work for the others


async def visit_all(
    candidates: Iterable[Candidate],
    total: int | None,
    fetcher: Fetcher,
    room: Room,
    ledger: Ledger,
    held: InOrder[Result],
    progress: Progress,
    done: int = 0,
) -> None:
    """Fetch candidates, or read their files, and hand what comes to the ledger, in order.

    Args:
        candidates: What to visit; taken as there is room.
        total: How many there are, with those that are done; None where nobody knows.
        fetcher: What fetches.
        room: Where what is fetched waits.
        ledger: Where it goes.
        held: What waits for others before it; what is left in it when this ends is the caller's.
        progress: Where to say how it goes.
        done: How many are done already.
    """
    waiting = enumerate(candidates)
    running: set[Visited] = set()
    finished: asyncio.Queue[Visited] = asyncio.Queue()
    rejected = 0
    loop = asyncio.get_running_loop()
    try:
        with ThreadPoolExecutor(1, "write") as writer:
            while True:
                for index, candidate in islice(waiting, _WINDOW - len(running) - len(held)):
                    task = asyncio.create_task(_visit(index, candidate, fetcher, room, ledger))
                    task.add_done_callback(finished.put_nowait)
                    running.add(task)
                if not running and not held:
                    break
                came = await _next_ones(finished, FLUSH_SECONDS)
                running.difference_update(came)
                for index, result in (task.result() for task in came):
                    held.put(index, result, result.size)
                ready = held.take(everything=not came or len(held) > _WINDOW // 2)
                await loop.run_in_executor(writer, ledger.add, ready)
                room.take(-sum(result.size for result in ready))
                done += len(ready)
                rejected += sum(isinstance(result.outcome, str) for result in ready)
                progress.update(done, total, "images", f"{rejected} rejected" if rejected else "")
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _visit(
    index: int, candidate: Candidate, fetcher: Fetcher, room: Room, ledger: Ledger
) -> tuple[int, Result]:
    held = candidate.held
    try:
        if refusal := ledger.refusal(candidate):
            result = Result(candidate, refusal)
        elif candidate.path is not None:
            result = Result(candidate, await fetcher.file(candidate.path))
        elif held is not None:
            image = await fetcher.image(candidate.url, held.etag, held.last_modified)
            result = Result(candidate, image)
        else:
            result = Result(candidate, await fetcher.image(candidate.url))
    except RejectedError as reject:
        result = Result(candidate, reject.reason)
    room.take(result.size)
    return index, result


async def _next_ones(finished: asyncio.Queue[T], seconds: float) -> list[T]:
    """All that is in the queue, once there is something; nothing after so many seconds."""
    try:
        async with asyncio.timeout(seconds):  # not wait_for: Python 3.11's may lose an interrupt
            came = [await finished.get()]
    except TimeoutError:
        return []
    while not finished.empty():
        came.append(finished.get_nowait())
    return came
