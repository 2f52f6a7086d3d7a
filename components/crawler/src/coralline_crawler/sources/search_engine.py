"""Search engines: icrawler makes the addresses of their result pages, and we read the pages.

icrawler's parsers stay unused. Google's loses `.jpeg` and `.webp`, Bing's mangles whatever is not
`.jpg`, and both drop the page that a picture is on.
"""

from __future__ import annotations

import asyncio
import queue
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from coralline_core.errors import CorallineError
from icrawler.utils import ProxyPool, Session

from coralline_crawler.candidate import Candidate, Results

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_TIMEOUT = 15  # s


class SearchEngine(Protocol):
    """One engine."""

    name: str
    page_size: int
    """How many results lie between the beginnings of two pages."""
    session: Any
    """A `requests.Session`, by which pages are asked for."""

    def page_urls(self, query: str, offset: int, limit: int) -> Iterator[str]:
        """The addresses of the result pages, for about `limit` results after the first `offset`."""

    def read(self, page: str) -> Iterator[tuple[str, str | None]]:
        """The pictures on a result page: each one's URL, and that of the page that it is on."""


async def search_pages(
    engine: SearchEngine, label: str, query: str, offset: int, limit: int
) -> AsyncIterator[Results]:
    """Pictures that a query finds, page after page until one brings nothing new.

    Args:
        engine: What is asked.
        label: Whose query it is.
        query: The query.
        offset: How many results to leave out.
        limit: Most pictures.

    Raises:
        CorallineError: The engine cannot be reached, or refuses.
    """
    seen: set[str] = set()
    for number, address in enumerate(engine.page_urls(query, offset, limit)):
        start = offset + number * engine.page_size
        page = await asyncio.to_thread(_get, engine, query, address)
        new: dict[str, Candidate] = {}
        for rank, (found, page_found) in enumerate(engine.read(page), start):
            url, page_url = _clean(found), _clean(page_found)
            if url and url not in seen:
                new[url] = Candidate(url, label, query, engine.name, page_url, rank=rank)
        taken = list(islice(new.values(), limit - len(seen)))
        seen |= {candidate.url for candidate in taken}
        left = list(new.values())[len(taken) :]
        yield Results(taken, left[0].rank if left else start + engine.page_size, not new)
        if not new or len(seen) == limit:
            return


def _clean(url: str | None) -> str | None:
    r"""JSON may hold halves of characters (`\ud800`), which can be written nowhere."""
    return url and url.encode("utf-8", "replace").decode()


def new_session(user_agent: str) -> Any:
    """A session as icrawler's crawlers have, under an honest name and without proxies."""
    session = Session(ProxyPool())
    session.trust_env = False
    session.headers["User-Agent"] = user_agent
    return session


def fed(feeder_class: Any, session: Any, **arguments: object) -> Iterator[str]:
    """The addresses that a feeder of icrawler's makes."""
    feeder = feeder_class(1, None, session)
    feeder.out_queue = queue.SimpleQueue()  # its own is bounded, and nobody empties it meanwhile
    feeder.feed(**arguments)
    while not feeder.out_queue.empty():
        yield feeder.out_queue.get()


def _get(engine: SearchEngine, query: str, address: str) -> str:
    try:
        response = engine.session.get(address, timeout=_TIMEOUT)
    except OSError as error:  # what requests raises is one
        what = f"{engine.name} cannot be reached for the query {query!r}: {error}"
        raise CorallineError(what, fix="Try later, or use another source.") from error
    if response.status_code != 200:
        what = f"{engine.name} refuses the query {query!r}: HTTP {response.status_code}"
        raise CorallineError(what, fix="Try later, or use another source.")
    text: str = response.content.decode("utf-8", "replace")
    return text
