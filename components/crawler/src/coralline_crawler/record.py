"""What crawls write down: what became of every URL, and which shards hold what was kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from coralline_core.dataset import Shard
from coralline_core.reports import Report
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

FOLDER = "crawls/"

KEPT = "kept"
DUPLICATE = "duplicate"
UNCHANGED, GONE, UNREACHABLE = "unchanged", "gone", "unreachable"
SEEN = "seen"

STAYS = frozenset((UNCHANGED, GONE, UNREACHABLE))
"""What comes of looking again at an image that is kept: it stays, whichever it is."""

WITH_IMAGE = STAYS | {KEPT, DUPLICATE}
"""Outcomes of a URL that has an image in the shards."""


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
    rank: int = Field(default=0, ge=0)
    """Its place among the results of its search, from 0."""
    licence: str | None = None
    creator: str | None = None
    page_url: str | None = None
    group: str | None = None
    """What belongs together: the source's word for it, or else the page."""
    version: str | None = None
    """Of a file: see Candidate."""
    outcome: str
    """`kept`: the image is in the record's shard. `duplicate`: the label has these bytes from
    another URL. `unchanged`, `gone`, `unreachable`: it was looked at again, and what was kept
    stays. `seen`: only the query or the group is news. Anything else: why it was rejected."""
    tries: int = Field(default=0, ge=0)
    """How many crawls in a row it failed in for a reason that may pass."""
    sha256: str | None = None
    phash: int | None = None
    """64 bits."""
    width: int | None = None
    """In px, as shown."""
    height: int | None = None
    sharpness: float | None = None
    """See `decode.sharpness`."""
    etag: str | None = None
    last_modified: str | None = None
    """As the server gave them, for the next conditional request."""
    checked_at: datetime | None = None
    """When the URL was last looked at."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value is not None}


class Search(Report):
    """How deep a source has been searched for a query."""

    source: str
    """Its name, and what else its results depend on."""
    label: str
    query: str
    offset: int = Field(ge=0)
    """Where the next crawl goes on: so many results, from the first, have been dealt with."""
    exhausted: bool
    """Whether there are no more: the next crawl begins at the first again."""


class Record(Report):
    """A part of a crawl: an object under `crawls/`, written once its shards are in the store."""

    schema_version: Literal[1] = 1
    limits: Limits
    shards: tuple[Shard, ...]
    replaces: tuple[str, ...] = ()
    """Keys of shards that this record's shards stand in for: what an earlier record keeps in
    them counts no longer, and the visits here say what of it is kept."""
    visits: tuple[Visit, ...]
    searches: tuple[Search, ...] = ()
    """Written once all that these searches found has been dealt with."""
