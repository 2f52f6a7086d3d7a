"""Search engines: icrawler makes the addresses of their result pages, and we read the pages.

icrawler's parsers stay unused. Google's loses `.jpeg` and `.webp`, Bing's mangles whatever is not
`.jpg`, and both drop the page that a picture is on.
"""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any, Protocol

from coralline_core.errors import CorallineError
from icrawler.utils import ProxyPool, Session

from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_TIMEOUT = 15  # s


class SearchEngine(Protocol):
    """One engine."""

    name: str
    session: Any
    """A `requests.Session`, by which pages are asked for."""

    def page_urls(self, query: str, limit: int) -> Iterator[str]:
        """The addresses of the result pages, for about `limit` results."""

    def read(self, page: str) -> Iterator[tuple[str, str | None]]:
        """The pictures on a result page: each one's URL, and that of the page that it is on."""


async def search_pages(
    engine: SearchEngine, label: str, query: str, limit: int
) -> AsyncIterator[Candidate]:
    """Pictures that a query finds, page after page until one brings nothing new.

    Args:
        engine: What is asked.
        label: Whose query it is.
        query: The query.
        limit: Most pictures.

    Raises:
        CorallineError: The engine cannot be reached, or refuses.
    """
    seen: set[str] = set()
    for address in engine.page_urls(query, limit):
        page = await asyncio.to_thread(_get, engine, query, address)
        found = ((_clean(url), _clean(page_url)) for url, page_url in engine.read(page))
        new = {url: page_url for url, page_url in found if url and url not in seen}
        if not new:
            return
        for url, page_url in new.items():
            if len(seen) == limit:
                return
            seen.add(url)
            yield Candidate(url, label, query, engine.name, page_url)


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
    feeder.feed(offset=0, **arguments)
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
