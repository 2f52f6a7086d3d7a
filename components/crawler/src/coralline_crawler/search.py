"""Asking every source for every label, before anything is fetched."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError

from coralline_crawler.settings import DirectorySource, UrlsSource
from coralline_crawler.sources import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.progress import Progress

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.fetch import Fetcher
    from coralline_crawler.settings import AnySource, CrawlSettings


class Answer(NamedTuple):
    """What one source has for one query."""

    source: AnySource
    label: str
    query: str
    """Empty for a source that does not search."""
    candidates: list[Candidate]
    error: CorallineError | None
    """What ended the search before its end."""


async def search(settings: CrawlSettings, fetcher: Fetcher, progress: Progress) -> list[Answer]:
    """Ask all sources at once, and each of them one query after the other.

    Returns:
        The answers, by source, by label in the alphabet's order, and by query.

    Raises:
        CorallineError: A query finds nothing at all, a label has nothing, or a file or folder
            cannot be read.
    """
    by_source = await asyncio.gather(
        *(_ask(source, settings, fetcher) for source in settings.sources)
    )
    answers = [answer for answers in by_source for answer in answers]
    _require_something(settings, answers)
    for answer in answers:
        if answer.error is not None:
            progress.warn(str(answer.error))
    return answers


async def _ask(source: AnySource, settings: CrawlSettings, fetcher: Fetcher) -> list[Answer]:
    answers = []
    for label, wanted in sorted(settings.labels.items()):  # KFP loses the order of a mapping
        for query in wanted.queries if source.searches else ("",):
            answer = Answer(source, label, query, [], None)
            try:
                async for candidate in find(source, label, query, settings, fetcher):
                    answer.candidates.append(candidate)
            except CorallineError as error:
                if not source.searches:  # a file of the user's: theirs to put right
                    raise
                answer = answer._replace(error=error)
            answers.append(answer)
    return answers


def _require_something(settings: CrawlSettings, answers: Sequence[Answer]) -> None:
    for label, wanted in settings.labels.items():
        ours = [answer for answer in answers if answer.label == label]
        for query in wanted.queries:
            asked = [answer for answer in ours if answer.query == query]
            if asked and not any(answer.candidates for answer in asked):
                names = " and ".join(_named(answer.source) for answer in asked)
                raise next((a.error for a in asked if a.error), None) or CorallineError(
                    f"the query {query!r} finds nothing with {names}",
                    where=f"labels.{label}.queries",
                    fix="Change the query, or add a source.",
                )
        if not any(answer.candidates for answer in ours):
            names = " and ".join(_named(answer.source) for answer in ours)
            raise CorallineError(
                f"there is no image of it in {names}",
                where=f"labels.{label}",
                fix="Add some under this label, or add a source.",
            )


def _named(source: AnySource) -> str:
    if isinstance(source, UrlsSource | DirectorySource):
        return f"{source.type} {source.path}"
    return source.type
