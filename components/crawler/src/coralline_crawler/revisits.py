"""Which URLs that earlier crawls came upon are asked again, though no search names them now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from coralline_crawler.candidate import Candidate, Held
from coralline_crawler.columns import hash64
from coralline_crawler.record import WITH_IMAGE
from coralline_crawler.rejects import LIMITS, PASSING
from coralline_crawler.scope import IMPORT
from coralline_crawler.take_down import is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_crawler.ledger import Ledger
    from coralline_crawler.record import Visit
    from coralline_crawler.scope import Scope
    from coralline_crawler.settings import CrawlSettings

TRIES = 5
"""Crawls in a row that a search's result may fail in before it is given up."""

MOST = 1000
"""Images that a crawl looks at again."""


def unfinished(scope: Scope, ledger: Ledger) -> list[Candidate]:
    """What searches found that failed for a reason which may have passed, or was lost since.

    A search has moved on, and will not name them again.

    Args:
        scope: What of it the project still asks for.
        ledger: What there is.
    """
    history = ledger.before
    rows = history.latest
    rows = rows[scope.found(rows) & scope.has_source(rows)]
    rows = rows[~history.has_image(rows)]
    rows = rows[~is_forgotten(history, ledger.forgotten, rows)]
    rows = rows[history.allowed(ledger.allowed, rows)]
    limits = history.code("limits", ledger.limits.model_dump_json())
    passing = history.among("outcome", PASSING, rows) & (history["tries"][rows] < TRIES)
    limited = history.among("outcome", LIMITS, rows) & (history["limits"][rows] != limits)
    otherwise = history.among("outcome", {"licence", *WITH_IMAGE}, rows)
    return [_candidate(visit) for visit in history.read(rows[passing | limited | otherwise])]


def outdated(
    settings: CrawlSettings, scope: Scope, ledger: Ledger, named: Iterable[Candidate]
) -> list[Candidate]:
    """Images that were last looked at too long ago, the oldest first.

    Args:
        settings: All of the step's.
        scope: What searches found that the project still asks for.
        ledger: What there is.
        named: What files and folders name now.
    """
    if settings.refetch_after_days is None:
        return []
    history = ledger.before
    limit = datetime.now(UTC) - timedelta(days=settings.refetch_after_days)
    at = history["checked_at"]
    rows = history.latest
    rows = rows[at[rows] < np.datetime64(limit.replace(tzinfo=None), "ms")]
    rows = rows[~history.among("source", (IMPORT,), rows)]
    listed = history.find([hash64(c.label, c.url) for c in named if c.path is None])
    ours = (scope.found(rows) & scope.has_source(rows)) | history.marked(listed[listed >= 0])[rows]
    rows = rows[ours & history.has_image(rows)]
    rows = rows[~is_forgotten(history, ledger.forgotten, rows)]
    rows = rows[history.allowed(ledger.allowed, rows)]
    rows = rows[np.argsort(at[rows], kind="stable")][:MOST]
    visits = [visit for visit in history.read(rows) if visit.version is None]
    return [_candidate(visit)._replace(held=_held(visit)) for visit in visits]


def _candidate(visit: Visit) -> Candidate:
    return Candidate(
        url=visit.url,
        label=visit.label,
        query=visit.query,
        source=visit.source,
        page_url=visit.page_url,
        creator=visit.creator,
        licence=visit.licence,
        group=visit.group,
        version=visit.version,
        rank=visit.rank,
    )


def _held(visit: Visit) -> Held:
    return Held(
        visit.sha256 or "",
        visit.phash or 0,
        visit.width or 0,
        visit.height or 0,
        visit.sharpness or 0.0,
        visit.etag,
        visit.last_modified,
    )
