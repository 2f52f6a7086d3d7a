"""Openverse's JSON API (https://api.openverse.org/v1/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from pydantic import BaseModel, ValidationError
from yarl import URL

from coralline_crawler.candidate import Candidate
from coralline_crawler.rejects import RejectedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.settings import OpenverseSource


class _Work(BaseModel):
    url: str | None = None
    foreign_landing_url: str | None = None
    creator: str | None = None
    license: str | None = None
    license_version: str | None = None


class _Page(BaseModel):
    page_count: int
    results: list[_Work]


async def search_openverse(
    source: OpenverseSource, label: str, query: str, limit: int, fetcher: Fetcher
) -> AsyncIterator[Candidate]:
    """Works that a query finds, page after page.

    Args:
        source: Which API, and what is asked of it.
        label: Whose query it is.
        query: The query.
        limit: Most works.
        fetcher: What asks.

    Raises:
        CorallineError: The API cannot be reached, or answers something else.
    """
    number, found = 1, 0
    while found < limit:
        page = await _page(source, query, number, fetcher)
        for work in page.results[: limit - found]:
            found += 1
            if work.url:
                yield _candidate(work, label, query)
        if not page.results or number >= page.page_count:
            return
        number += 1


async def _page(source: OpenverseSource, query: str, number: int, fetcher: Fetcher) -> _Page:
    parameters = {"q": query, "page": str(number), "page_size": str(source.page_size)}
    if source.licences:
        parameters["license"] = ",".join(source.licences)
    try:
        return _Page.model_validate_json(
            await fetcher.text(URL(source.url).update_query(parameters))
        )
    except RejectedError as reject:
        what = f"openverse does not answer the query {query!r}: {reject.reason}"
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the page"
        what = f"openverse answers the query {query!r} with something else: {key}: {first['msg']}"
    raise CorallineError(what, where=source.url, fix="Try later, or use another source.")


def _candidate(work: _Work, label: str, query: str) -> Candidate:
    licence = " ".join(filter(None, (work.license, work.license_version)))
    return Candidate(
        url=work.url or "",
        label=label,
        query=query,
        source="openverse",
        page_url=work.foreign_landing_url,
        creator=work.creator,
        licence=licence or None,
    )
