"""Where candidates come from: one module a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from coralline_crawler.sources.openverse import search_openverse
from coralline_crawler.sources.search_engine import search_pages
from coralline_crawler.sources.urls import list_urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.settings import CrawlSettings


def find(
    source: AnySource, label: str, query: str, settings: CrawlSettings, fetcher: Fetcher
) -> AsyncIterator[Candidate]:
    """What a source has for a query, best first.

    Args:
        source: The source.
        label: Whose query it is.
        query: The query; empty for a source that does not search.
        settings: All of the step's.
        fetcher: For what the source asks over HTTP.

    Raises:
        CorallineError: The source cannot be read, or answers what cannot be understood.
    """
    match source:
        case OpenverseSource():
            return search_openverse(source, label, query, settings.max_per_query, fetcher)
        case GoogleSource():
            return search_pages(Google(settings.introduction), label, query, settings.max_per_query)
        case BingSource():
            return search_pages(Bing(settings.introduction), label, query, settings.max_per_query)
        case UrlsSource():
            return list_urls(source.path, label, tuple(settings.labels))
        case DirectorySource():
            return list_folder(source.path, label)
