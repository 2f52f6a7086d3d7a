"""Openverse's JSON API (https://api.openverse.org/v1/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from pydantic import BaseModel, ValidationError
from yarl import URL

from coralline_crawler.candidate import Candidate, Results
from coralline_crawler.licences import CREATIVE_COMMONS, Allowed
from coralline_crawler.rejects import RejectedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.settings import CrawlSettings, OpenverseSource

_PAST_THE_END = ("http-error", "not-found", "refused")


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
    source: OpenverseSource,
    label: str,
    query: str,
    offset: int,
    settings: CrawlSettings,
    fetcher: Fetcher,
) -> AsyncIterator[Results]:
    """Works that a query finds, page after page.

    Args:
        source: Which API, and what is asked of it.
        label: Whose query it is.
        query: The query.
        offset: How many works to leave out.
        settings: All of the step's.
        fetcher: What asks.

    Raises:
        CorallineError: The API cannot be reached, or answers something else.
    """
    left = settings.max_per_query
    going_on = offset > 0
    while left > 0:
        number, skipped = divmod(offset, source.page_size)
        try:
            page = await _page(source, query, number + 1, settings, fetcher)
        except _PastTheEndError:
            if not going_on:
                raise
            yield Results([])
            return
        going_on = False
        works = page.results[skipped : skipped + left]
        left -= len(works)
        found = [
            _candidate(work, label, query, rank)
            for rank, work in enumerate(works, offset)
            if work.url
        ]
        whole = skipped + len(works) >= len(page.results)
        offset = (number + 1) * source.page_size if whole else offset + len(works)
        last = not page.results or (whole and number + 1 >= page.page_count)
        yield Results(found, offset, last)
        if last:
            return


def licence_parameter(settings: CrawlSettings) -> str:
    """The licences that the API is asked for; empty: all. It knows those of Creative Commons."""
    return ",".join(sorted(Allowed(settings.licences).families & CREATIVE_COMMONS))


class _PastTheEndError(CorallineError):
    """There is no such page, or not for us: Openverse gives 240 results without an account."""


async def _page(
    source: OpenverseSource, query: str, number: int, settings: CrawlSettings, fetcher: Fetcher
) -> _Page:
    parameters = {"q": query, "page": str(number), "page_size": str(source.page_size)}
    if licences := licence_parameter(settings):
        parameters["license"] = licences
    try:
        return _Page.model_validate_json(
            await fetcher.text(URL(source.url).update_query(parameters))
        )
    except RejectedError as reject:
        past = number > 1 and reject.reason in _PAST_THE_END
        what = f"openverse does not answer the query {query!r}: {reject.reason}"
        kind = _PastTheEndError if past else CorallineError
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the page"
        what = f"openverse answers the query {query!r} with something else: {key}: {first['msg']}"
        kind = CorallineError
    raise kind(what, where=source.url, fix="Try later, or use another source.")


def _candidate(work: _Work, label: str, query: str, rank: int) -> Candidate:
    licence = " ".join(filter(None, (work.license, work.license_version)))
    return Candidate(
        url=work.url or "",
        label=label,
        query=query,
        source="openverse",
        page_url=work.foreign_landing_url,
        creator=work.creator,
        licence=licence or None,
        rank=rank,
    )
