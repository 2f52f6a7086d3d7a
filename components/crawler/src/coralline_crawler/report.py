"""What the crawler says of its work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from coralline_core.reports import Report

from coralline_crawler.record import GONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_crawler.findings import Findings
    from coralline_crawler.ledger import Ledger
    from coralline_crawler.search import Answer
    from coralline_crawler.settings import CrawlSettings

_EXAMPLES = 5


class QueryReport(Report):
    """What became of a query."""

    found: int
    """Results of this crawl's search."""
    kept: int
    """Images in the dataset that it found first."""


class LabelReport(Report):
    """What became of a label."""

    images: int
    """In the dataset."""
    queries: dict[str, QueryReport]
    """By query; `""` for what files and folders name without one."""
    rejected: dict[str, int]
    """By reason."""


class CrawlReport(Report):
    """Counts over all crawls into the store, of the project's labels."""

    crawled: int
    """Images in the dataset."""
    fetched: int
    """Of these, new in this crawl."""
    rejected: dict[str, int]
    """By reason; `duplicate`: the label has the same file already, from another URL."""
    examples: dict[str, list[str]]
    """By reason, up to five URLs, those of the last crawls first."""
    labels: dict[str, LabelReport]
    sources: dict[str, int]
    """Images by source."""
    licences: dict[str, int]
    """Images by licence, `""` where it is not known."""
    again: dict[str, int]
    """Images that this crawl looked at again, by what it found: `unchanged`, `changed`, `gone`
    (404 or 410), `unreachable`, or why an image leaves the dataset."""
    gone: int
    """Images in the dataset whose URL has nothing any more."""
    bytes: int
    """Of the images that are new."""
    seconds: float


def report(
    settings: CrawlSettings,
    answers: Iterable[Answer],
    findings: Findings,
    ledger: Ledger,
    seconds: float,
) -> CrawlReport:
    """Count what a crawl found and what came of it."""
    history, images = findings.history, findings.images
    found: dict[str, Counter[str]] = {label: Counter() for label in settings.labels}
    for answer in answers:
        found[answer.label][answer.query] += len(answer.candidates)
    return CrawlReport(
        crawled=len(images),
        fetched=ledger.new_images,
        rejected=findings.reasons.counts(),
        examples=_examples(findings),
        labels={label: _label_report(label, found[label], findings) for label in sorted(found)},
        sources=history.texts("source", images).counts(),
        licences=findings.licences.counts(),
        again=dict(ledger.again),
        gone=int(np.count_nonzero(history.among("outcome", (GONE,), images))),
        bytes=ledger.new_bytes,
        seconds=seconds,
    )


def _label_report(label: str, found: Counter[str], findings: Findings) -> LabelReport:
    history = findings.history
    code = history.code("label", label)
    kept = findings.queries[history["label"][findings.images] == code].counts()
    rejected = findings.reasons[history["label"][findings.rejected] == code].counts()
    return LabelReport(
        images=sum(kept.values()),
        queries={
            query: QueryReport(found=found[query], kept=kept.get(query, 0))
            for query in dict.fromkeys([*found, *kept])
        },
        rejected=rejected,
    )


def _examples(findings: Findings) -> dict[str, list[str]]:
    newest = np.argsort(-findings.rejected, kind="stable")
    reasons = findings.reasons.codes[newest]
    names = findings.reasons.names
    some = {
        names[code]: findings.rejected[newest[np.flatnonzero(reasons == code)[:_EXAMPLES]]]
        for code in np.unique(reasons)
    }
    rows = np.concatenate([np.empty(0, np.int64), *some.values()])
    urls: Any = iter(findings.history.visits.strings(rows, ("url",))["url"].to_pylist())
    return {reason: [next(urls) for _ in some[reason]] for reason in sorted(some)}
