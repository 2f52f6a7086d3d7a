"""Where candidates come from: one module a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_crawler.candidate import Results
from coralline_crawler.settings import (
    AnySource,
    BingSource,
    DirectorySource,
    GoogleSource,
    OpenverseSource,
    UrlsSource,
)
from coralline_crawler.sources.bing import Bing
from coralline_crawler.sources.directory import list_folder
from coralline_crawler.sources.google import Google
from coralline_crawler.sources.openverse import licence_parameter, search_openverse
from coralline_crawler.sources.search_engine import search_pages
from coralline_crawler.sources.urls import list_urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.settings import CrawlSettings


def find(
    source: AnySource,
    label: str,
    query: str,
    offset: int,
    settings: CrawlSettings,
    fetcher: Fetcher,
) -> AsyncIterator[Results]:
    """What a source has for a query, best first.

    Args:
        source: The source.
        label: Whose query it is.
        query: The query; empty for a source that does not search.
        offset: How many results of a search to leave out.
        settings: All of the step's.
        fetcher: For what the source asks over HTTP.

    Raises:
        CorallineError: The source cannot be read, or answers what cannot be understood.
    """
    limit = settings.max_per_query
    match source:
        case OpenverseSource():
            return search_openverse(source, label, query, offset, settings, fetcher)
        case GoogleSource():
            return search_pages(Google(settings.introduction), label, query, offset, limit)
        case BingSource():
            return search_pages(Bing(settings.introduction), label, query, offset, limit)
        case UrlsSource():
            return _all(list_urls(source.path, label, tuple(settings.labels), source.licence))
        case DirectorySource():
            return _all(list_folder(source.path, label, source.licence))


def identity(source: AnySource, settings: CrawlSettings) -> str:
    """What a search's place is kept under: the source, and what else its results depend on."""
    if isinstance(source, OpenverseSource):
        return f"openverse {source.url} {licence_parameter(settings)}".rstrip()
    return source.type


async def _all(candidates: Iterable[Candidate]) -> AsyncIterator[Results]:
    yield Results(list(candidates))
