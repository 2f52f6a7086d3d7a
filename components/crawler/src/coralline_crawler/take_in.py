"""Images that people already have, into the store: checked and recorded as a crawl's."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_core.reports import Report

from coralline_crawler.columns import hash64
from coralline_crawler.fetch import Fetcher
from coralline_crawler.ledger import Ledger
from coralline_crawler.order import InOrder
from coralline_crawler.record import DUPLICATE, KEPT, WITH_IMAGE
from coralline_crawler.results import Result
from coralline_crawler.room import Room
from coralline_crawler.scope import IMPORT
from coralline_crawler.visiting import HELD_BYTES, visit_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.settings import CrawlSettings


class ImportReport(Report):
    """What became of images that were to be taken in."""

    kept: int
    """New in the store."""
    known: int
    """Taken in before, or there from elsewhere under the same label."""
    rejected: dict[str, int]
    """By reason; what was rejected before is, too."""
    examples: dict[str, list[str]]
    """By reason, up to five addresses."""
    bytes: int
    """Of the images that are new."""
    seconds: float


def take_in(
    settings: CrawlSettings, candidates: Iterable[Candidate], store: Store, progress: Progress
) -> ImportReport:
    """Take images into the store, for as long as the project has their labels.

    They pass the same checks as those of a crawl, and the next crawl's dataset has them. Taken in
    once more, what is known is not read again. What was taken in is kept, whatever ends this.

    Args:
        settings: The labels, the limits and the licences.
        candidates: The images: each with its label and either the `path` of its file or a URL to
            fetch; `page_url`, `creator`, `licence` and `group` where they are known. They are
            taken one after the other, and may be any number. `version` tells a file that was
            replaced from the one before.
        store: Where shards and records go.
        progress: Where to say how it goes.

    Returns:
        What became of them.

    Raises:
        CorallineError: A label is none of the project's, or the store cannot be written.
    """
    started = time.monotonic()
    store.check_writable()
    held: InOrder[Result] = InOrder(HELD_BYTES)
    with Ledger(store, settings) as ledger:
        new = _New(settings, ledger)
        try:
            asyncio.run(_take_all(settings, new.of(candidates), ledger, held, progress))
        finally:
            ledger.add(held.take(everything=True))
    rejected = {
        reason: count
        for reason, count in ledger.outcomes.most_common()
        if reason not in (KEPT, DUPLICATE)
    }
    return ImportReport(
        kept=ledger.outcomes[KEPT],
        known=new.known + ledger.outcomes[DUPLICATE],
        rejected=rejected,
        examples={reason: ledger.examples[reason] for reason in rejected},
        bytes=ledger.new_bytes,
        seconds=time.monotonic() - started,
    )


class _New:
    """Lets candidates through that were not taken in before, each once."""

    def __init__(self, settings: CrawlSettings, ledger: Ledger) -> None:
        self.known = 0
        self._labels = settings.labels
        self._ledger = ledger
        self._seen: set[int] = set()

    def of(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        for candidate in candidates:
            if candidate.label not in self._labels:
                raise CorallineError(
                    f"{candidate.label!r} is not a label of the project",
                    where=candidate.url,
                    fix=f"There are: {', '.join(self._labels)}.",
                )
            key = hash64(candidate.label, candidate.url)
            if key in self._seen:  # one with several boxes is named once for each
                continue
            self._seen.add(key)
            imported = candidate._replace(source=IMPORT, query="")
            before = self._before(imported)
            if before is None:
                yield imported
            elif before in WITH_IMAGE:
                self.known += 1
            else:
                self._ledger.count(imported, before)

    def _before(self, candidate: Candidate) -> str | None:
        """What became of one that was to be taken in before, if it would again."""
        ledger = self._ledger
        return ledger.settled(candidate) if ledger.is_from(candidate, IMPORT) else None


async def _take_all(
    settings: CrawlSettings,
    candidates: Iterable[Candidate],
    ledger: Ledger,
    held: InOrder[Result],
    progress: Progress,
) -> None:
    room = Room(2 * HELD_BYTES)
    async with Fetcher(settings, room) as fetcher:
        await visit_all(candidates, None, fetcher, room, ledger, held, progress)
