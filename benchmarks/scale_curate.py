"""What curation costs in a large store: near duplicates, a first curation, and 1,000 more images.

Every measurement is a process of its own, over a selection of images that were never fetched: one
in ten is near another, two are on each page.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from coralline_core import rows, selection
from coralline_core.dataset import Dataset
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_curator.curate import curate
from coralline_curator.duplicates import near_pairs
from coralline_curator.settings import CurateSettings

from benchmarks import apart

SIZES = (10_000, 100_000, 1_000_000)
ADDED = 1_000
_AT_ONCE = 100_000


class Cost(NamedTuple):
    """Of one measurement over so many images."""

    images: int
    seconds: float
    bytes: int
    """The process's peak."""


def measure(sizes: tuple[int, ...] = SIZES) -> dict[str, list[Cost]]:
    """By what was measured, the cost at each size."""
    costs: dict[str, list[Cost]] = {"near pairs": [], "curate all": [], "curate 1,000 more": []}
    for size in sizes:
        costs["near pairs"].append(run("pairs", "-", size))
        with tempfile.TemporaryDirectory() as folder:
            run("build", folder, size)
            costs["curate all"].append(run("curate", folder, size))
            run("grow", folder, size)
            costs["curate 1,000 more"].append(run("curate", folder, size))
    return costs


def pairs(size: int) -> float:
    """Seconds for all near pairs of so many hashes."""
    hashes = np.asarray(_table(0, size)["phash"].to_numpy())
    started = time.perf_counter()
    found = near_pairs(hashes, CurateSettings().near_duplicate_distance)
    seconds = time.perf_counter() - started
    if len(found) < size // 20:
        raise RuntimeError(f"only {len(found)} near pairs")
    return seconds


def curated(folder: Path) -> float:
    """Seconds for a curation of what is in a folder."""
    store, images = FileStore(folder), Dataset.read(folder / "images.json")
    started = time.perf_counter()
    dataset, _ = curate(CurateSettings(), images, store, Progress.silent())
    seconds = time.perf_counter() - started
    if len(dataset) < 0.7 * sum(part.rows for part in images.selection):
        raise RuntimeError(f"only {len(dataset)} images were kept")
    return seconds


def grow(folder: Path, start: int, count: int) -> None:
    """Put more images into the dataset of a folder."""
    store, manifest = FileStore(folder), folder / "images.json"
    images = Dataset(kind="images", shards=(), counts={"helmet": {}, "no-helmet": {}})
    if manifest.exists():
        images = Dataset.read(manifest)
    for first in range(start, start + count, _AT_ONCE):
        table = _table(first, min(_AT_ONCE, start + count - first))
        segments = selection.revise(store, images.selection, table)
        images = images.model_copy(update={"selection": segments})
    images.write(manifest)


def _table(start: int, count: int) -> pa.Table:
    """Rows of `rows.SELECTION`, the same ones for the same numbers."""
    numbers = np.arange(start, start + count, dtype=np.uint64)
    hashes = _mixed(numbers)
    near = (numbers % 10 == 3) & (numbers > start)
    hashes[near] = np.roll(hashes, 2)[near] ^ np.uint64(0b1010)  # of the same label
    names = numbers.tolist()
    pages = [f"https://photos.example.org/pages/{number // 2}" for number in names]
    columns = {
        "sha256": pa.array([hashlib.sha256(b"%d" % number).hexdigest() for number in names]),
        "label": pa.array(["helmet" if number % 2 else "no-helmet" for number in names]),
        "group": pa.array(pages),
        "phash": pa.array(hashes),
        "width": pa.array((640 + numbers % 999).astype(np.int32)),
        "height": pa.array((480 + numbers % 777).astype(np.int32)),
        "image_url": pa.array([f"https://photos.example.org/{number}.jpg" for number in names]),
        "page_url": pa.array(pages),
        "shard": pa.array([f"shards/{number // 1000:064x}.parquet" for number in names]),
    }
    nulls = pa.nulls(count)
    return pa.table(
        [columns.get(field.name, nulls.cast(field.type)) for field in rows.SELECTION],
        schema=rows.SELECTION,
    )


def _mixed(numbers: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> np.ndarray:  # type: ignore[type-arg]
    """Numbers to what looks random (the finaliser of splitmix64, Steele et al., 2014)."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def run(what: str, folder: str, size: int, module: str = "benchmarks.scale_curate") -> Cost:
    """Do one measurement of a module in a process of its own."""
    return Cost(*json.loads(apart.run(module, what, folder, str(size))))


def main() -> None:
    """Do one measurement, as `run` asks."""
    what, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    seconds = 0.0
    match what:
        case "pairs":
            seconds = pairs(size)
        case "build":
            grow(folder, 0, size)
        case "grow":
            grow(folder, size, ADDED)
        case "curate":
            seconds = curated(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps(Cost(size, seconds, peak)))


if __name__ == "__main__":
    main()
