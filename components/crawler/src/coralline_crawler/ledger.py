"""What was done already, and where what is done now is added."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import numpy as np
from coralline_core import journal, rows
from coralline_core.dataset import ShardWriter
from coralline_core.forgotten import Forgotten

from coralline_crawler.candidate import Candidate, Held
from coralline_crawler.columns import hash64, image_key, optional_key, tabulate
from coralline_crawler.fetch import Image
from coralline_crawler.history import Entry, History
from coralline_crawler.index import open_history
from coralline_crawler.licences import Allowed
from coralline_crawler.record import (
    DUPLICATE,
    FOLDER,
    GONE,
    KEPT,
    SEEN,
    UNCHANGED,
    UNREACHABLE,
    WITH_IMAGE,
    Limits,
    Record,
    Search,
    Visit,
)
from coralline_crawler.rejects import FINAL, LIMITS, PASSING, Reason
from coralline_crawler.results import Result, held_of, row_of
from coralline_crawler.scope import LISTED
from coralline_crawler.take_down import is_forgotten, take_down

if TYPE_CHECKING:
    from coralline_core.store import Store
    from pyarrow import Table

    from coralline_crawler.settings import CrawlSettings

FLUSH_SECONDS = 30.0  # a process that dies loses at most so much
_EXAMPLES = 5


class Ledger:
    """What all crawls into a store have done, and where this one adds.

    A shard counts only once a record names it. A process may die at any time: then the last images
    are fetched again, and none is in the dataset twice. Use as a context manager; leaving it, by
    an error or an interrupt too, writes what is left.

    Args:
        store: Where shards and records are.
        settings: All of the step's.

    Raises:
        CorallineError: A record or a notice of what is forgotten cannot be read.
    """

    def __init__(self, store: Store, settings: CrawlSettings) -> None:
        self.forgotten = Forgotten.read(store)
        self.allowed = Allowed(settings.licences)
        opened = open_history(store)
        if take_down(store, opened.history, self.forgotten):
            opened = open_history(store)
        self.before, self.searches = opened
        """What earlier crawls came upon, and how deep each of their searches has come."""
        self.limits = Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            min_side=settings.min_side,
        )
        self.new_images = 0
        self.new_bytes = 0
        self.again: Counter[str] = Counter()
        """How what was looked at again was found."""
        self.outcomes: Counter[str] = Counter()
        """What became of the URLs that were visited."""
        self.examples: defaultdict[str, list[str]] = defaultdict(list)
        """By outcome, some URLs."""
        self._store = store
        self._limits = self.limits.model_dump_json()
        self._kept: set[int] = set()
        self._ways: dict[int, set[tuple[str, int]]] = {}
        every = np.arange(len(self.before))
        self._forgotten = is_forgotten(self.before, self.forgotten, every)
        self._writer = ShardWriter(store, rows.IMAGES)
        self._recorded_shards = 0
        self._unrecorded: list[Visit] = []
        self._searches: list[Search] = []
        self._recorded: list[Table] = []
        self._entries: list[Entry] = []
        self._flushed_at = time.monotonic()

    def refusal(self, candidate: Candidate) -> Reason | None:
        """Why the project does not want a candidate, whatever there is at its URL."""
        row = self._row(candidate)
        known = row >= 0 and self._same_version(candidate, row)
        if known and self._forgotten[row]:
            return "forgotten"
        if self.forgotten.covers(url=candidate.url, page=candidate.page_url):
            return "forgotten"
        return None if candidate.licence in self.allowed else "licence"

    def settled(self, candidate: Candidate) -> str | None:
        """What became of a candidate, if fetching it again would bring nothing new."""
        row = self._row(candidate)
        if row < 0 or not self._same_version(candidate, row):
            return None
        outcome = self._text("outcome", row)
        if outcome in WITH_IMAGE:
            held = self.before.find_image(self.before["image"][row : row + 1])[0] >= 0
            return outcome if held else None
        limited = outcome in LIMITS and self._text("limits", row) == self._limits
        return outcome if outcome in FINAL or limited else None

    def is_from(self, candidate: Candidate, source: str) -> bool:
        """Whether an earlier crawl has come upon a candidate, the last time by way of a source."""
        row = self._row(candidate)
        return row >= 0 and self._text("source", row) == source

    def wanted(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Those of which something is to be noted that is not known yet."""
        for candidate in candidates:
            refused = self.refusal(candidate) is not None
            known = self._row(candidate) >= 0 if refused else self.settled(candidate) is not None
            if not known:
                yield candidate

    def add(self, results: Iterable[Result]) -> None:
        """Keep images and note rejects; write a record when it is time.

        Raises:
            CorallineError: The store cannot be written.
        """
        for candidate, outcome in results:
            if candidate.held is not None:
                self._look_again(candidate, candidate.held, outcome)
            elif isinstance(outcome, Image):
                self._keep(candidate, outcome)
            elif outcome is not None:
                self._note(candidate, outcome, tries=self._tries(candidate, outcome))
            if len(self._writer.shards) > self._recorded_shards:
                self.flush()
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def count(self, candidate: Candidate, outcome: str) -> None:
        """Count what became of a candidate, be it an earlier time."""
        self.outcomes[outcome] += 1
        if len(self.examples[outcome]) < _EXAMPLES:
            self.examples[outcome].append(candidate.url)

    def note_seen(self, candidates: Iterable[Candidate]) -> None:
        """Note by which other queries, and on which other pages, searches found what is known.

        They go deeper the next time, and will not name it again.
        """
        candidates = list(candidates)
        keys = [hash64(candidate.label, candidate.url) for candidate in candidates]
        seen = self.before.seen(keys)
        for candidate, key, row in zip(candidates, keys, self.before.find(keys), strict=True):
            ways = self._ways.setdefault(key, set())
            ways |= seen.get(key, set())
            if row >= 0 and self._text("source", row) not in LISTED:
                ways.add((self._text("query", row), int(self.before["group_key"][row])))
            if _way(candidate) not in ways:
                self._note(candidate, SEEN)

    def close_searches(self, searches: Iterable[Search]) -> None:
        """Note how deep searches have come, now that all they found has been dealt with."""
        self._searches += searches
        self.flush()

    def flush(self) -> None:
        """Write the images that wait, and then the record of them."""
        self._writer.flush()
        shards = tuple(self._writer.shards[self._recorded_shards :])
        if self._unrecorded or self._searches:
            record = Record(
                limits=self.limits,
                shards=shards,
                visits=tuple(self._unrecorded),
                searches=tuple(self._searches),
            )
            journal.append(self._store, FOLDER, record)
            self._recorded_shards = len(self._writer.shards)
            place = len(self.before.entries) + len(self._entries)
            self._recorded.append(tabulate(record.visits, place, self._limits, datetime.now(UTC)))
            self._entries.append(Entry(shards=shards))
            self._unrecorded, self._searches = [], []
        self._flushed_at = time.monotonic()

    def history(self) -> History:
        """What all crawls came upon, this one too, as far as it is recorded."""
        shards = [shard.key for entry in self._entries for shard in entry.shards]
        return History(
            self.before.visits.and_then(self._recorded),
            [*self.before.entries, *self._entries],
            self.before.there.union(shards),
            self.before,
        )

    def reopened(self) -> History:
        """The same, after shards were replaced: read from the store anew."""
        self.flush()
        self.before.visits.close()
        self.before, self.searches = open_history(self._store)
        return self.before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            with self._writer:
                self.flush()
        finally:
            self.before.visits.close()

    def _row(self, candidate: Candidate) -> int:
        return int(self.before.find([hash64(candidate.label, candidate.url)])[0])

    def _same_version(self, candidate: Candidate, row: int) -> bool:
        return bool(self.before["version_key"][row] == optional_key(candidate.version))

    def _text(self, column: str, row: int) -> str:
        name: str = self.before.names[column][self.before[column][row]]
        return name

    def _tries(self, candidate: Candidate, outcome: str) -> int:
        row = self._row(candidate)
        again = row >= 0 and self._text("outcome", row) in PASSING
        before = int(self.before["tries"][row]) if again else 0
        return before + 1 if outcome in PASSING else 0

    def _keep(self, candidate: Candidate, image: Image) -> str:
        """Keep an image, if the label does not have it, and say what became of it."""
        key = image_key(candidate.label, image.sha256)
        if self.forgotten.covers(sha256=image.sha256):
            outcome = "forgotten"
        elif key in self._kept or self.before.find_image([key])[0] >= 0:
            outcome = DUPLICATE
        else:
            outcome = KEPT
            self._writer.add(row_of(candidate, image))
            self._kept.add(key)
            self.new_images += 1
            self.new_bytes += len(image.data)
        self._note(candidate, outcome, held_of(image), image.fetched_at)
        return outcome

    def _look_again(self, candidate: Candidate, held: Held, outcome: Image | Reason | None) -> None:
        if isinstance(outcome, Image) and outcome.sha256 != held.sha256:
            self._keep(candidate, outcome)
            found = "changed"
        elif outcome is None or isinstance(outcome, Image):
            found = UNCHANGED
            self._note(candidate, found, held if outcome is None else held_of(outcome))
        elif outcome == "noai":  # which is about images that were taken before it was said, too
            found = outcome
            self._note(candidate, found)
        else:
            found = GONE if outcome == "not-found" else UNREACHABLE
            self._note(candidate, found, held)
        self.again[found] += 1

    def _note(
        self,
        candidate: Candidate,
        outcome: str,
        image: Held | None = None,
        at: datetime | None = None,
        tries: int = 0,
    ) -> None:
        visit = Visit(
            label=candidate.label,
            url=candidate.url,
            query=candidate.query,
            source=candidate.source,
            rank=candidate.rank,
            licence=candidate.licence,
            creator=candidate.creator,
            page_url=candidate.page_url,
            group=candidate.together,
            version=candidate.version,
            outcome=outcome,
            tries=tries,
            checked_at=at or datetime.now(UTC),
            **(image._asdict() if image else {}),
        )
        self._unrecorded.append(visit)
        self.count(candidate, outcome)
        if candidate.source not in LISTED:
            key = hash64(candidate.label, candidate.url)
            self._ways.setdefault(key, set()).add(_way(candidate))


def _way(candidate: Candidate) -> tuple[str, int]:
    return candidate.query, optional_key(candidate.together)
