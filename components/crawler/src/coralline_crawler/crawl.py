"""From queries to a dataset of images."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from coralline_core.dataset import Dataset, write_selection
from coralline_core.errors import CorallineError

from coralline_crawler.fetch import Fetcher
from coralline_crawler.findings import Findings, gather
from coralline_crawler.order import InOrder
from coralline_crawler.record import FLUSH_SECONDS, Ledger, Result, Visit
from coralline_crawler.rejects import RejectedError
from coralline_crawler.report import CrawlReport, LabelReport, QueryReport
from coralline_crawler.room import Room
from coralline_crawler.search import Answer, search

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.settings import CrawlSettings

T = TypeVar("T")
Visited = asyncio.Task[tuple[int, Result]]

_HELD_BYTES = 64 << 20
_WINDOW = 1024  # candidates under way or held: enough that a slow host leaves work for the others
_EXAMPLES = 5


def crawl(settings: CrawlSettings, store: Store, progress: Progress) -> tuple[Dataset, CrawlReport]:
    """Find images by their labels' queries, and fetch those that the store does not have.

    What an earlier crawl fetched or finally rejected is not asked for again. What was fetched is
    kept, whatever ends the crawl.

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
    held: InOrder[Result] = InOrder(_HELD_BYTES)
    with Ledger(store, settings) as ledger:
        if ledger.lost:
            progress.warn(f"missing shards: {len(ledger.lost)}; what they held is fetched again")
        try:
            answers = asyncio.run(_crawl(settings, ledger, held, progress))
        finally:
            ledger.add(held.take(everything=True))
    candidates = (candidate for answer in answers for candidate in answer.candidates)
    findings = gather(settings, candidates, ledger)
    report = _report(answers, findings, ledger, time.monotonic() - started)
    return _dataset(settings, findings, ledger, store), report


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


async def _crawl(
    settings: CrawlSettings, ledger: Ledger, held: InOrder[Result], progress: Progress
) -> list[Answer]:
    room = Room(2 * _HELD_BYTES)  # more than is held for the sake of order, or all would wait
    async with Fetcher(settings, room) as fetcher:
        answers = await search(settings, fetcher, progress)
        candidates = _each_once(answers)
        new = [candidate for candidate in candidates if not ledger.settled(candidate)]
        await _fetch_all(new, len(candidates), fetcher, room, ledger, held, progress)
    return answers


async def _fetch_all(
    candidates: Sequence[Candidate],
    total: int,
    fetcher: Fetcher,
    room: Room,
    ledger: Ledger,
    held: InOrder[Result],
    progress: Progress,
) -> None:
    """Fetch candidates, many at a time, while a thread writes what has come."""
    waiting = enumerate(candidates)
    running: set[Visited] = set()
    finished: asyncio.Queue[Visited] = asyncio.Queue()
    done, rejected = total - len(candidates), 0
    loop = asyncio.get_running_loop()
    try:
        with ThreadPoolExecutor(1, "write") as writer:
            while True:
                for index, candidate in islice(waiting, _WINDOW - len(running) - len(held)):
                    task = asyncio.create_task(_visit(index, candidate, fetcher, room))
                    task.add_done_callback(finished.put_nowait)
                    running.add(task)
                if not running and not held:
                    break
                came = await _next_ones(finished, FLUSH_SECONDS)
                running.difference_update(came)
                for index, result in (task.result() for task in came):
                    held.put(index, result, result.size)
                ready = held.take(everything=not came or len(held) > _WINDOW // 2)
                await loop.run_in_executor(writer, ledger.add, ready)
                room.take(-sum(result.size for result in ready))
                done += len(ready)
                rejected += sum(isinstance(result.outcome, str) for result in ready)
                progress.update(done, total, "images", f"{rejected} rejected" if rejected else "")
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _visit(
    index: int, candidate: Candidate, fetcher: Fetcher, room: Room
) -> tuple[int, Result]:
    try:
        if candidate.path is None:
            result = Result(candidate, await fetcher.image(candidate.url))
        else:
            result = Result(candidate, await fetcher.file(candidate.path))
    except RejectedError as reject:
        result = Result(candidate, reject.reason)
    room.take(result.size)
    return index, result


async def _next_ones(finished: asyncio.Queue[T], seconds: float) -> list[T]:
    """All that is in the queue, once there is something; nothing after so many seconds."""
    try:
        async with asyncio.timeout(seconds):  # not wait_for: Python 3.11's may lose an interrupt
            came = [await finished.get()]
    except TimeoutError:
        return []
    while not finished.empty():
        came.append(finished.get_nowait())
    return came


def _each_once(answers: Iterable[Answer]) -> list[Candidate]:
    """Every URL once a label, as the first answer that has it names it."""
    first: dict[tuple[str, str], Candidate] = {}
    for answer in answers:
        for candidate in answer.candidates:
            first.setdefault((candidate.label, candidate.url), candidate)
    return list(first.values())


def _dataset(settings: CrawlSettings, findings: Findings, ledger: Ledger, store: Store) -> Dataset:
    counts = Counter(label for label, _ in findings.images)
    selected: list[dict[str, str | None]] = [
        {"label": label, "sha256": sha256, "group": group}
        for (label, sha256), groups in findings.groups.items()
        for group in (sorted(groups) or (None,))
    ]
    return Dataset(
        kind="images",
        shards=tuple(ledger.shards.values()) if selected else (),
        selection=write_selection(store, selected) if selected else None,
        counts={label: {"": counts[label]} for label in settings.labels},
    )


def _report(
    answers: Sequence[Answer], findings: Findings, ledger: Ledger, seconds: float
) -> CrawlReport:
    kept, rejected = list(findings.images.values()), findings.rejected
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for visit in rejected:
        if len(examples[visit.outcome]) < _EXAMPLES:
            examples[visit.outcome].append(visit.url)
    labels = dict.fromkeys(answer.label for answer in answers)
    return CrawlReport(
        crawled=len(kept),
        fetched=ledger.new_images,
        rejected=_counted(visit.outcome for visit in rejected),
        examples=dict(sorted(examples.items())),
        labels={label: _label_report(label, answers, kept, rejected) for label in labels},
        sources=_counted(visit.source for visit in kept),
        licences=_counted(visit.licence or "" for visit in kept),
        bytes=ledger.new_bytes,
        seconds=seconds,
    )


def _label_report(
    label: str, answers: Iterable[Answer], kept: Iterable[Visit], rejected: Iterable[Visit]
) -> LabelReport:
    found: Counter[str] = Counter()
    for answer in answers:
        if answer.label == label:
            found[answer.query] += len(answer.candidates)
    ours = Counter(visit.query for visit in kept if visit.label == label)
    return LabelReport(
        images=ours.total(),
        queries={
            query: QueryReport(found=found[query], kept=ours[query]) for query in found | ours
        },
        rejected=_counted(visit.outcome for visit in rejected if visit.label == label),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    """How often there is each, the most frequent first."""
    return dict(Counter(values).most_common())


def _why(report: LabelReport) -> str:
    images = "1 image" if report.images == 1 else f"{report.images} images"
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items())
    return f"{images} ({rejected})" if rejected else images
