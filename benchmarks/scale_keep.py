"""What the upkeep of a store costs that has been filled for a year: gc, verify and forget.

A store of so many images, as `scale_crawl` builds it, with a manifest for each night of a year.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coralline.upkeep.forget import find
from coralline.upkeep.gc import find_garbage
from coralline.upkeep.verify import verify
from coralline_core.manifests import newest
from coralline_core.progress import Progress
from coralline_core.store import FileStore

from benchmarks import scale_crawl
from benchmarks.scale_curate import SIZES, Cost, run

NIGHTS = 365
_LOOKS = ("gc", "verify", "forget")
_URL = "https://static-5.photos.example.org/0005/00000005_b.jpg"


def measure(sizes: tuple[int, ...] = SIZES) -> dict[str, list[Cost]]:
    """By command, the cost at each size. `verify` is quick: these shards have no bytes."""
    costs: dict[str, list[Cost]] = {what: [] for what in _LOOKS}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            run("build", folder, size, "benchmarks.scale_keep")
            for what in _LOOKS:
                costs[what].append(run(what, folder, size, "benchmarks.scale_keep"))
    return costs


def build(store: FileStore, size: int) -> None:
    """The store: the nights' datasets are the same, but for their settings."""
    scale_crawl.build(store, size)
    images = newest(store, "images")
    if images is None:
        raise RuntimeError("there is no dataset")
    for night in range(NIGHTS):
        images.model_copy(update={"settings": {"night": night}}).save(store)


def look(what: str, store: FileStore) -> float:
    """Seconds for one command."""
    started = time.perf_counter()
    match what:
        case "gc":
            before = datetime.now(UTC) + timedelta(hours=2)
            found = find_garbage(store, before, Progress.silent(), keep_last=1)
            seen = len([one for one in found.garbage if one.kind == "manifests"])
        case "verify":
            checked = verify(store, Progress.silent(), quick=True)
            seen = len(checked.inventory.datasets) - 1
        case _:
            seen = len(find(store, _URL, 6).images) * NIGHTS
    if seen != NIGHTS:
        raise RuntimeError(f"{what} saw {seen}")
    return time.perf_counter() - started


def main() -> None:
    """Do one measurement, as `run` asks."""
    what, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    store, seconds = FileStore(folder), 0.0
    if what == "build":
        build(store, size)
    else:
        seconds = look(what, store)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps(Cost(size, seconds, peak)))


if __name__ == "__main__":
    main()
