"""What became of every URL, and which shards hold what was kept: the crawls' append-only record."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from coralline_core import rows
from coralline_core.dataset import Shard, ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_crawler.candidate import Candidate
from coralline_crawler.fetch import Image
from coralline_crawler.rejects import FINAL, LIMITS, Reason

if TYPE_CHECKING:
    from coralline_core.store import Store

    from coralline_crawler.settings import CrawlSettings

KEPT = "kept"
DUPLICATE = "duplicate"
FLUSH_SECONDS = 30.0  # a process that dies loses at most so much


class Limits(Report):
    """The limits under which a crawl rejected images for their size."""

    max_bytes: int
    max_pixels: int
    min_side: int


class Visit(Report):
    """What became of one URL."""

    label: str
    url: str
    query: str
    source: str
    licence: str | None = None
    page_url: str | None = None
    group: str | None = None
    """What belongs together: the source's word for it, or else the page."""
    version: str | None = None
    """Of a file: see Candidate."""
    outcome: str
    """`kept`; `duplicate`: the label has these bytes from another URL; or why it was rejected."""
    sha256: str | None = None


class Record(Report):
    """A part of a crawl: `crawls/<time>-<id>.json`, written once its shards are in the store."""

    schema_version: Literal[1] = 1
    limits: Limits
    shards: tuple[Shard, ...]
    visits: tuple[Visit, ...]


class Result(NamedTuple):
    """A candidate, and its image or why there is none."""

    candidate: Candidate
    outcome: Image | Reason

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return len(self.outcome.data) if isinstance(self.outcome, Image) else 0


class Ledger:
    """What all crawls into a store have done for the project's labels, and where this one adds.

    A shard counts only once a record names it. A process may die at any time: then the last images
    are fetched again, and none is in the dataset twice. Use as a context manager; leaving it, by
    an error or an interrupt too, writes what is left.

    Args:
        store: Where shards and records are.
        settings: All of the step's.
    """

    def __init__(self, store: Store, settings: CrawlSettings) -> None:
        self.visits: dict[tuple[str, str], Visit] = {}
        """By label and URL, the latest; of the project's labels only."""
        self.kept: set[tuple[str, str]] = set()
        """Label and sha256 of every image in the shards."""
        self.lost: list[str] = []
        """Shards that records name and the store lacks. What they held counts as never fetched."""
        self.shards: dict[str, Shard] = {}
        """By key, those with images of the project's labels, oldest first."""
        self.new_images = 0
        self.new_bytes = 0
        self._store = store
        self._labels = frozenset(settings.labels)
        self._limits = Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            min_side=settings.min_side,
        )
        self._settled: set[tuple[str, str]] = set()
        self._writer = ShardWriter(store, rows.IMAGES)
        self._recorded_shards = 0
        self._unrecorded: list[Visit] = []
        self._flushed_at = time.monotonic()
        there = frozenset(store.list("shards/"))
        for key in store.list("crawls/"):
            stored = store.get(key)
            if stored is not None:
                self._learn(_read(key, stored.data), there)

    def settled(self, candidate: Candidate) -> bool:
        """Whether fetching a candidate again would bring nothing new."""
        key = (candidate.label, candidate.url)
        return key in self._settled and self.visits[key].version == candidate.version

    def add(self, results: Iterable[Result]) -> None:
        """Keep images and note rejects; write a record when it is time.

        Raises:
            CorallineError: The store cannot be written.
        """
        for candidate, outcome in results:
            if not isinstance(outcome, Image):
                self._note(candidate, outcome)
            elif (candidate.label, outcome.sha256) in self.kept:
                self._note(candidate, DUPLICATE, outcome.sha256)
            else:
                self._writer.add(_row(candidate, outcome))
                self._note(candidate, KEPT, outcome.sha256)
                self.new_images += 1
                self.new_bytes += len(outcome.data)
            if len(self._writer.shards) > self._recorded_shards:
                self.flush()
        if time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the images that wait, and then the record of them."""
        self._writer.flush()
        shards = self._writer.shards[self._recorded_shards :]
        if self._unrecorded:
            record = Record(
                limits=self._limits, shards=tuple(shards), visits=tuple(self._unrecorded)
            )
            key = f"crawls/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}.json"
            self._store.put_if(key, record.model_dump_json(exclude_none=True).encode(), None)
            self.shards |= {shard.key: shard for shard in shards}
            self._recorded_shards = len(self._writer.shards)
            self._unrecorded = []
        self._flushed_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._writer:
            self.flush()

    def _note(self, candidate: Candidate, outcome: str, sha256: str | None = None) -> None:
        visit = Visit(
            label=candidate.label,
            url=candidate.url,
            query=candidate.query,
            source=candidate.source,
            licence=candidate.licence,
            page_url=candidate.page_url,
            group=candidate.together,
            version=candidate.version,
            outcome=outcome,
            sha256=sha256,
        )
        self._unrecorded.append(visit)
        self._visited(visit, self._limits)

    def _learn(self, record: Record, there: frozenset[str]) -> None:
        lost = [shard.key for shard in record.shards if shard.key not in there]
        self.lost += lost
        ours = [
            visit
            for visit in record.visits
            if visit.label in self._labels and not (lost and visit.outcome == KEPT)
        ]
        for visit in ours:
            self._visited(visit, record.limits)
        if any(visit.outcome == KEPT for visit in ours):
            self.shards |= {shard.key: shard for shard in record.shards}

    def _visited(self, visit: Visit, limits: Limits) -> None:
        key = (visit.label, visit.url)
        self.visits[key] = visit
        final = visit.outcome in FINAL or visit.outcome in (KEPT, DUPLICATE)
        if final or (visit.outcome in LIMITS and limits == self._limits):
            self._settled.add(key)
        if visit.outcome == KEPT and visit.sha256:
            self.kept.add((visit.label, visit.sha256))


def _read(key: str, data: bytes) -> Record:
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        raise CorallineError(
            f"not a crawl's record: {error.errors()[0]['msg']}",
            where=key,
            fix="Restore it, or delete it: what it tells of is then fetched again.",
        ) from error


def _row(candidate: Candidate, image: Image) -> dict[str, object]:
    picture = image.picture
    return {
        "image": {"bytes": image.data, "path": f"{image.sha256}.{picture.suffix}"},
        "sha256": image.sha256,
        "phash": picture.phash,
        "width": picture.width,
        "height": picture.height,
        "label": candidate.label,
        "query": candidate.query,
        "source": candidate.source,
        "page_url": candidate.page_url,
        "image_url": candidate.url,
        "creator": candidate.creator,
        "licence": candidate.licence,
        "fetched_at": image.fetched_at,
        "group": candidate.together,
    }
