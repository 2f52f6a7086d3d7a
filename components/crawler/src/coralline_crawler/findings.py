"""Which of all that crawls came upon belongs to the project as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coralline_crawler.record import DUPLICATE, KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.record import Ledger, Visit
    from coralline_crawler.settings import CrawlSettings

_LISTED = ("urls", "directory")  # sources that name all they have each time

Image = tuple[str, str]
"""The label and the sha256."""


class Findings(NamedTuple):
    """What the project's queries, files and folders stand behind."""

    images: dict[Image, Visit]
    """The visit that stands for each image."""
    groups: dict[Image, set[str]]
    """All that an image belongs together with, wherever it was seen, be it as a duplicate."""
    rejected: list[Visit]
    """Visits of which no image came, or one that the label has from elsewhere."""


def gather(settings: CrawlSettings, candidates: Iterable[Candidate], ledger: Ledger) -> Findings:
    """Take what this crawl named, and of earlier ones what a query of today has found.

    So a query that was put right, a file that was moved to another label and a line that was
    taken off a list take their images along; the store keeps them for the day they come back.

    Args:
        settings: All of the step's.
        candidates: Of this crawl; one URL may be there several times, on different pages.
        ledger: Of all crawls.
    """
    candidates = list(candidates)
    # The first that names a URL counts for its query, as it was the one that was fetched.
    named = {(c.label, c.url): c.query for c in reversed(candidates)}
    belonging = []
    for key, visit in ledger.visits.items():
        if key in named:
            belonging.append(visit.model_copy(update={"query": named[key]}))
        elif visit.source not in _LISTED and visit.query in settings.labels[visit.label].queries:
            belonging.append(visit)
    images: dict[Image, Visit] = {}
    rejected = []
    for visit in sorted(belonging, key=lambda visit: visit.outcome != KEPT):
        image = (visit.label, visit.sha256 or "")
        if image in ledger.kept and image not in images:
            images[image] = visit
        elif visit.outcome == KEPT:
            rejected.append(visit.model_copy(update={"outcome": DUPLICATE}))
        else:
            rejected.append(visit)

    groups: dict[Image, set[str]] = {image: set() for image in images}
    seen = [(visit, visit.group) for visit in belonging]
    seen += [(ledger.visits[(c.label, c.url)], c.together) for c in candidates]
    for visit, group in seen:
        image = (visit.label, visit.sha256 or "")
        if group and image in groups:
            groups[image].add(group)
    return Findings(images, groups, rejected)
