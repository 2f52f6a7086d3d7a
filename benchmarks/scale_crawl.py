"""What a crawl of 1,000 new images costs in a large store: all but the network.

`python -m benchmarks.scale_crawl` builds stores of 10,000, 100,000 and 1,000,000 images (records
and the keys of their shards, without the images' bytes), adds 1,000 images to each in a process of
its own, and prints a line each. The new ones are real pictures, looked at and written to shards. It
ends with 1 where a bound is missed.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.store import FileStore
from coralline_crawler.candidate import Candidate
from coralline_crawler.crawl import dataset_of
from coralline_crawler.decode import inspect_image
from coralline_crawler.fetch import Image
from coralline_crawler.findings import gather
from coralline_crawler.ledger import Ledger
from coralline_crawler.report import report
from coralline_crawler.results import Result
from coralline_crawler.revisits import outdated, unfinished
from coralline_crawler.scope import Scope
from coralline_crawler.settings import CrawlSettings

from benchmarks import apart
from benchmarks.portraits import portrait

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset

SIZES = (10_000, 100_000, 1_000_000)
ADDED = 1_000
MORE_SECONDS = 2.0
"""Most seconds that the largest store may cost more than the smallest."""
MORE_BYTES = 1 << 30
"""Most memory, likewise."""

_MODULE = "benchmarks.scale_crawl"
_A_RECORD = 1_000
_TRIES = 3
_LABELS = ("helmet", "no-helmet")
_SETTINGS = CrawlSettings.model_validate(
    {"labels": {label: {"queries": [f"{label} {n}" for n in range(4)]} for label in _LABELS}}
)


class Cost(NamedTuple):
    """Of adding 1,000 images to a store of so many."""

    images: int
    seconds: float
    bytes: int
    """The process's peak."""
    written: int
    """Rows of the selection that were written."""
    parts: dict[str, float]
    """Seconds, by what they went to."""


def measure(sizes: tuple[int, ...] = SIZES) -> list[Cost]:
    """Build the stores and add to each, in fresh processes; of three times the quickest counts."""
    costs = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            apart.run(_MODULE, "build", folder, str(size))
            tries = [
                apart.run(_MODULE, "add", folder, str(size + n * ADDED)) for n in range(_TRIES)
            ]
            best = min((Cost(**json.loads(said)) for said in tries), key=_seconds)
            costs.append(best._replace(images=size))
    return costs


def _seconds(cost: Cost) -> float:
    return cost.seconds


def missed(costs: list[Cost]) -> list[str]:
    """The bounds that are not kept, in words."""
    least, most = costs[0], costs[-1]
    seconds, memory = most.seconds - least.seconds, most.bytes - least.bytes
    found = []
    if seconds > MORE_SECONDS:
        found.append(f"{most.images:,} images cost {seconds:.1f} s more than {least.images:,}")
    if memory > MORE_BYTES:
        found.append(f"{most.images:,} images take {memory >> 20} MB more than {least.images:,}")
    return found


def build(store: FileStore, size: int) -> None:
    """Records of so many images, their index, and the selection of a crawl over them."""
    limits = {"max_bytes": 20_000_000, "max_pixels": 50_000_000, "min_side": 32}
    began = datetime.now(UTC) - timedelta(days=30)
    for start in range(0, size, _A_RECORD):
        visits = [_visit(number) for number in range(start, start + _A_RECORD)]
        at = began + timedelta(seconds=start / 10)
        sha256 = hashlib.sha256(str(start).encode()).hexdigest()
        shard = {"key": f"shards/{sha256}.parquet", "rows": _A_RECORD, "bytes": 1, "sha256": sha256}
        store.put(shard["key"], b"")  # type: ignore[arg-type]
        for visit in visits:
            visit["checked_at"] = at.isoformat()
        record = {"schema_version": 1, "limits": limits, "shards": [shard], "visits": visits}
        key = f"crawls/{at:%Y%m%dT%H%M%S.%f}-{start:08x}.json"
        store.put(key, json.dumps(record).encode())
    with Ledger(store, _SETTINGS) as ledger:
        _finish(store, ledger)


def add(store: FileStore, size: int) -> Cost:
    """Add 1,000 images, found with 1,000 that are known."""
    photos = [portrait(number) for number in range(size, size + ADDED)]
    clock = _Clock()
    with Ledger(store, _SETTINGS) as ledger:
        clock.stop("open")
        scope = Scope(_SETTINGS, ledger.before)
        scope.images()
        retried = [*unfinished(scope, ledger), *outdated(_SETTINGS, scope, ledger, ())]
        if retried:
            raise RuntimeError(f"{len(retried)} images are to be fetched again")
        clock.stop("what to fetch again")
        found = [_candidate(number) for number in range(size - ADDED, size + ADDED)]
        new = list(ledger.wanted(found))
        if len(new) != ADDED:
            raise RuntimeError(f"{len(new)} are new, not {ADDED}")
        ledger.add(Result(one, _image(photo)) for one, photo in zip(new, photos, strict=True))
        ledger.note_seen(found)
        ledger.close_searches(())
        clock.stop("add 1,000")
        dataset = _finish(store, ledger, clock)
    before = _segments(store, size)
    written = sum(part.rows for part in dataset.selection if part.key not in before)
    if len(dataset) != size + ADDED:
        raise RuntimeError(f"the dataset has {len(dataset)} images")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return Cost(size, sum(clock.parts.values()), peak, written, clock.parts)


class _Clock:
    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, part: str) -> None:
        now = time.perf_counter()
        self.parts[part] = now - self._last
        self._last = now


def _finish(store: FileStore, ledger: Ledger, clock: _Clock | None = None) -> Dataset:
    clock = clock or _Clock()
    findings = gather(_SETTINGS, [], ledger.history(), ledger.allowed, ledger.forgotten)
    clock.stop("gather")
    dataset = dataset_of(_SETTINGS, findings, store)
    clock.stop("select")
    report(_SETTINGS, [], findings, ledger, 0)
    clock.stop("report")
    dataset.save(store)
    keys = json.dumps([segment.key for segment in dataset.selection])
    (store.root / f"segments-{len(dataset)}.json").write_text(keys)
    return dataset


def _segments(store: FileStore, size: int) -> set[str]:
    return set(json.loads((store.root / f"segments-{size}.json").read_text()))


def _sha256(number: int) -> str:
    return hashlib.sha256(number.to_bytes(8, "little")).hexdigest()


def _visit(number: int) -> dict[str, object]:
    candidate = _candidate(number)
    return {
        "label": candidate.label,
        "url": candidate.url,
        "query": candidate.query,
        "source": candidate.source,
        "rank": candidate.rank,
        "licence": candidate.licence,
        "creator": candidate.creator,
        "page_url": candidate.page_url,
        "group": candidate.page_url,
        "outcome": "kept",
        "sha256": _sha256(number),
        "phash": number * 0x9E3779B97F4A7C15 % 2**64,
        "width": 640 + number % 1000,
        "height": 480 + number % 700,
        "sharpness": float(number % 997),
        "etag": f'"{number:x}-5f3a"',
        "last_modified": "Mon, 02 Nov 2026 12:00:00 GMT",
    }


def _candidate(number: int) -> Candidate:
    label = _LABELS[number % 2]
    host = f"https://static-{number % 97}.photos.example.org"
    return Candidate(
        url=f"{host}/{number % 8191:04x}/{number:08x}_b.jpg",
        label=label,
        query=f"{label} {number % 4}",
        source="openverse",
        page_url=f"https://www.photos.example.org/people/{number // 3 % 65537}/{number // 3:08x}",
        creator=f"Photographer {number // 3 % 65537}",
        licence=("by 2.0", "by-sa 4.0", "cc0 1.0")[number % 3],
        rank=number % 240,
    )


def _image(data: bytes) -> Image:
    """A photo as the crawler has it once it is fetched."""
    picture = inspect_image(data, _SETTINGS.max_pixels, _SETTINGS.min_side)
    return Image(data, hashlib.sha256(data).hexdigest(), picture, datetime.now(UTC), '"1"', None)


def main() -> int:
    """Measure and print, or do one part of it for a process that does."""
    match sys.argv[1:]:
        case ["build", folder, size]:
            store = FileStore(Path(folder))
            build(store, int(size))
        case ["add", folder, size]:
            print(json.dumps(add(FileStore(Path(folder)), int(size))._asdict()))
        case sizes:
            costs = measure(tuple(map(int, sizes)) or SIZES)
            for cost in costs:
                parts = ", ".join(f"{part} {spent:.2f}" for part, spent in cost.parts.items())
                print(
                    f"{ADDED:,} images more of {cost.images:>9,}: {cost.seconds:5.2f} s ({parts}), "
                    f"{cost.bytes / 2**20:,.0f} MB, {cost.written:,} rows selected anew"
                )
            for bound in missed(costs):
                print(f"missed: {bound}")
            return bool(missed(costs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
