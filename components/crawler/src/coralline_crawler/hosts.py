"""Politeness: how many requests a host gets at once, and when the next one."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from coralline_crawler.rejects import RejectedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coralline_crawler.rejects import Reason

PATIENCE = 60.0  # s: a host that wants us gone for longer is left alone for this crawl
_FAILURES = 12  # in a row, after which it is left alone, too


class Hosts:
    """The turns of requests to each host.

    Args:
        per_host: Most requests at once to one.
    """

    def __init__(self, per_host: int) -> None:
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(per_host))

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait until the host may be asked; the turn lasts as long as the context.

        Raises:
            RejectedError: `rate-limited`: it wants us to wait for longer than `PATIENCE`, or has
                answered nothing else for a while. `timeout` or `connection`, likewise.
        """
        state = self._hosts[host]
        async with state.turns:
            if state.failures >= _FAILURES and state.failure:
                raise RejectedError(state.failure)
            while (wait := state.resume_at - time.monotonic()) > 0:
                if wait > PATIENCE:
                    raise RejectedError("rate-limited")
                await asyncio.sleep(wait)
            if state.delay:
                state.resume_at = time.monotonic() + state.delay
            yield

    def pause(self, host: str, seconds: float) -> None:
        """Let the next turn begin after `seconds` at the earliest."""
        state = self._hosts[host]
        state.resume_at = max(state.resume_at, time.monotonic() + seconds)

    def heard(self, host: str, failure: Reason | None) -> None:
        """Note how a request ended: None where the host answered, or what was wrong with it.

        A host that is down or has had enough of us would keep the crawl for hours, one request
        after another.
        """
        state = self._hosts[host]
        state.failures = state.failures + 1 if failure else 0
        state.failure = failure

    def space(self, host: str, seconds: float) -> None:
        """Let `seconds` lie between the beginnings of two turns."""
        self._hosts[host].delay = seconds


class _Host:
    """What is known of a host."""

    def __init__(self, per_host: int) -> None:
        self.turns = asyncio.Semaphore(per_host)
        self.resume_at = 0.0  # of time.monotonic
        self.delay = 0.0  # s
        self.failures = 0  # in a row
        self.failure: Reason | None = None  # the last of them
