"""Asking every source for every label, before anything is fetched."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError

from coralline_crawler.record import Search
from coralline_crawler.settings import DirectorySource, UrlsSource
from coralline_crawler.sources import find, identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coralline_core.progress import Progress

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.index import Place
    from coralline_crawler.settings import AnySource, CrawlSettings


class Answer(NamedTuple):
    """What one source has for one query."""

    source: AnySource
    label: str
    query: str
    """Empty for a source that does not search."""
    candidates: list[Candidate]
    search: Search | None = None
    """How deep the search has come, if it has come anywhere."""
    error: CorallineError | None = None
    """What ended it before its end."""


class Known(NamedTuple):
    """What earlier crawls have found."""

    searches: Mapping[Place, Search]
    """How deep they have come."""
    images: Mapping[str, Mapping[str, int]]
    """How many images of each label, by query; of a query that found others' only, 0."""

    def of(self, label: str) -> int:
        """How many images of a label."""
        return sum(self.images.get(label, {}).values())


async def search(
    settings: CrawlSettings, known: Known, fetcher: Fetcher, progress: Progress
) -> list[Answer]:
    """Ask all sources at once, and each of them one query after the other.

    A search goes on where the crawl before left off.

    Returns:
        The answers, by source, by label in the alphabet's order, and by query.

    Raises:
        CorallineError: A query has never found anything, a label has nothing, or a file or folder
            cannot be read.
    """
    by_source = await asyncio.gather(
        *(_ask(source, settings, known, fetcher) for source in settings.sources)
    )
    answers = [answer for answers in by_source for answer in answers]
    _require_something(settings, known, answers)
    for answer in answers:
        if answer.error is not None:
            progress.warn(str(answer.error))
    return answers


async def _ask(
    source: AnySource, settings: CrawlSettings, known: Known, fetcher: Fetcher
) -> list[Answer]:
    answers = []
    for label, wanted in sorted(settings.labels.items()):  # KFP loses the order of a mapping
        queries = wanted.queries if source.searches else ("",)
        if source.searches and known.of(label) >= 2 * (settings.max_total or math.inf):
            continue
        for query in queries:
            answer = await _answer(source, label, query, settings, known, fetcher)
            answers.append(answer)
    return answers


async def _answer(
    source: AnySource,
    label: str,
    query: str,
    settings: CrawlSettings,
    known: Known,
    fetcher: Fetcher,
) -> Answer:
    name = identity(source, settings)
    last = known.searches.get((name, label, query))
    offset = 0 if last is None or last.exhausted else last.offset
    answer = Answer(source, label, query, [])
    try:
        async for found in find(source, label, query, offset, settings, fetcher):
            answer.candidates.extend(found.candidates)
            if source.searches:
                reached = Search(
                    source=name,
                    label=label,
                    query=query,
                    offset=found.offset,
                    exhausted=found.exhausted,
                )
                answer = answer._replace(search=reached)
    except CorallineError as error:
        if not source.searches:  # a file of the user's: theirs to put right
            raise
        answer = answer._replace(error=error)
    return answer


def _require_something(settings: CrawlSettings, known: Known, answers: Sequence[Answer]) -> None:
    for label, wanted in settings.labels.items():
        ours = [answer for answer in answers if answer.label == label]
        for query in wanted.queries:
            asked = [answer for answer in ours if answer.query == query]
            found = query in known.images.get(label, {})
            if asked and not found and not any(answer.candidates for answer in asked):
                names = " and ".join(_named(answer.source) for answer in asked)
                raise next((a.error for a in asked if a.error), None) or CorallineError(
                    f"the query {query!r} finds nothing with {names}",
                    where=f"labels.{label}.queries",
                    fix="Change the query, or add a source.",
                )
        if not any(answer.candidates for answer in ours) and not known.of(label):
            names = " and ".join(_named(answer.source) for answer in ours)
            raise CorallineError(
                f"there is no image of it in {names or 'the store'}",
                where=f"labels.{label}",
                fix="Add some under this label, or add a source.",
            )


def _named(source: AnySource) -> str:
    if isinstance(source, UrlsSource | DirectorySource):
        return f"{source.type} {source.path}"
    return source.type
