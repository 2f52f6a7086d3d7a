"""From queries to a dataset of images."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError

from coralline_crawler.attribution import attribute
from coralline_crawler.fetch import Fetcher
from coralline_crawler.findings import Findings, gather
from coralline_crawler.ledger import Ledger
from coralline_crawler.order import InOrder
from coralline_crawler.report import CrawlReport, LabelReport, report
from coralline_crawler.results import Result
from coralline_crawler.revisits import outdated, unfinished
from coralline_crawler.room import Room
from coralline_crawler.scope import Scope
from coralline_crawler.search import Answer, Known, search
from coralline_crawler.selected import select
from coralline_crawler.visiting import HELD_BYTES, visit_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.settings import CrawlSettings


def crawl(settings: CrawlSettings, store: Store, progress: Progress) -> tuple[Dataset, CrawlReport]:
    """Find images by their labels' queries, and fetch those that the store does not have.

    What an earlier crawl fetched or finally rejected is not asked for again, until it is time to
    see whether it is still the same. What was fetched is kept, whatever ends the crawl.

    Args:
        settings: The labels, the sources, the limits and the manners.
        store: Where shards and the crawls' records go.
        progress: Where to say how it goes.

    Returns:
        The manifest of all images that crawls into the store kept for what the project asks for
        now, and what was found and rejected. A shard may hold rows of more: the manifest's
        selection names those that belong.

    Raises:
        CorallineError: A query finds nothing, a source cannot be read, or the store cannot be
            written.
    """
    started = time.monotonic()
    store.check_writable()
    if settings.allow_private_addresses:
        progress.warn("private addresses may be fetched: `crawl.allow_private_addresses` is on")
    held: InOrder[Result] = InOrder(HELD_BYTES)
    with Ledger(store, settings) as ledger:
        if lost := ledger.before.lost:
            progress.warn(f"missing shards: {len(lost)}; what they held is fetched again")
        try:
            answers = asyncio.run(_crawl(settings, ledger, held, progress))
        finally:
            ledger.add(held.take(everything=True))
        ledger.note_seen(_searched(answers))
        ledger.close_searches([answer.search for answer in answers if answer.search])
        named = [candidate for answer in answers for candidate in answer.candidates]
        findings = gather(settings, named, ledger.history(), ledger.allowed, ledger.forgotten)
        if attribute(store, findings, ledger.allowed, ledger.forgotten):
            history = ledger.reopened()
            findings = gather(settings, named, history, ledger.allowed, ledger.forgotten)
        dataset = dataset_of(settings, findings, store)
        return dataset, report(settings, answers, findings, ledger, time.monotonic() - started)


def require_enough(settings: CrawlSettings, report: CrawlReport) -> None:
    """Raise CorallineError where a label has fewer images than `min_per_label`."""
    few = {
        label: report.labels[label]
        for label in settings.labels
        if report.labels[label].images < settings.min_per_label
    }
    if few:
        each = "; ".join(f"{label!r} has {_why(told)}" for label, told in few.items())
        raise CorallineError(
            f"too few images: {each}; wanted are {settings.min_per_label} of each label",
            where=f"labels.{next(iter(few))}",
            fix="Add queries or sources, or lower `crawl.min_per_label`; what is crawled is kept.",
        )


def dataset_of(settings: CrawlSettings, findings: Findings, store: Store) -> Dataset:
    """The manifest of what belongs to the project; its selection is written to the store."""
    history = findings.history
    ours = history.kept[history.among("label", settings.labels, history.kept)]
    counts = history.texts("label", findings.images).counts()
    return Dataset(
        kind="images",
        shards=tuple(history.shards(ours)) if counts else (),
        selection=select(store, findings) if counts else (),
        counts={label: {"": counts.get(label, 0)} for label in settings.labels},
    )


async def _crawl(
    settings: CrawlSettings, ledger: Ledger, held: InOrder[Result], progress: Progress
) -> list[Answer]:
    room = Room(2 * HELD_BYTES)  # more than is held for the sake of order, or all would wait
    async with Fetcher(settings, room) as fetcher:
        scope = Scope(settings, ledger.before)
        known = Known(ledger.searches, scope.images())
        answers = await search(settings, known, fetcher, progress)
        named = [candidate for answer in answers for candidate in answer.candidates]
        candidates = _each_once([*named, *unfinished(scope, ledger)])
        again = outdated(settings, scope, ledger, named)
        due = [*ledger.wanted(candidates), *again]
        total = len(candidates) + len(again)
        await visit_all(due, total, fetcher, room, ledger, held, progress, total - len(due))
    return answers


def _each_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Every URL once a label, as the first that has it names it."""
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        first.setdefault((candidate.label, candidate.url), candidate)
    return list(first.values())


def _searched(answers: Iterable[Answer]) -> Iterable[Candidate]:
    return (
        candidate for answer in answers if answer.source.searches for candidate in answer.candidates
    )


def _why(report: LabelReport) -> str:
    images = "1 image" if report.images == 1 else f"{report.images} images"
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items())
    return f"{images} ({rejected})" if rejected else images
