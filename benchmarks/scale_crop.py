"""What it costs to crop 1,000 new photos where very many were cut before.

The photos that were cut before are records only, which share one real shard of crops; in the new
ones faces are really looked for, and cut.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
from coralline_core import journal, rows, selection
from coralline_core.dataset import Dataset, Shard, ShardWriter
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_cropper.crop import crop, fingerprint
from coralline_cropper.ledger import Outcome, Record
from coralline_cropper.settings import CropSettings

from benchmarks.portraits import portrait
from benchmarks.scale_curate import ADDED, SIZES, Cost, run

_SETTINGS = CropSettings()
_MODULE = "benchmarks.scale_crop"
_A_RECORD = 4_000  # photos, as 64 MB of crops are of
_LABELS = ("helmet", "no-helmet")


def measure(sizes: tuple[int, ...] = SIZES) -> list[Cost]:
    """The cost at each size."""
    costs = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            run("build", folder, size, _MODULE)
            costs.append(run("crop", folder, size, _MODULE))
    return costs


def build(folder: Path, size: int) -> None:
    """A store with so many photos that were cut, their index, and 1,000 that were not."""
    store = FileStore(folder)
    with ShardWriter(store, rows.CROPS) as crops:
        for number in range(48):
            crops.add({**_row(number), "source_sha256": _sha256(number), "crop_index": 0})
    for start in range(0, size, _A_RECORD):
        photos = [
            Outcome(sha256=_sha256(number), crops=1)
            for number in range(start, min(start + _A_RECORD, size))
        ]
        record = Record(shards=tuple(crops.shards), photos=tuple(photos))
        journal.append(store, f"crops/{fingerprint(_SETTINGS)}/", record)
    with ShardWriter(store, rows.IMAGES) as images:
        for number in range(size, size + ADDED):
            images.add(_row(number))
    (shard,) = images.shards
    dataset = Dataset(
        kind="curated",
        shards=(shard,),
        selection=_selection(store, size, shard.key),
        counts={label: {} for label in _LABELS},
    )
    dataset.write(folder / "all.json")
    known = dataset.model_copy(update={"selection": _selection(store, size - ADDED, shard.key)})
    crop(_SETTINGS, known, store, Progress.silent())  # which makes the index


def cut(folder: Path) -> float:
    """Seconds for cropping what is new in a folder."""
    store, images = FileStore(folder), Dataset.read(folder / "all.json")
    started = time.perf_counter()
    dataset, report = crop(_SETTINGS, images, store, Progress.silent())
    seconds = time.perf_counter() - started
    if report.photos != sum(part.rows for part in images.selection) or len(dataset) < report.photos:
        raise RuntimeError(f"{report.photos} photos, {len(dataset)} crops")
    return seconds


def _selection(store: FileStore, size: int, key: str) -> tuple[Shard, ...]:
    segments: tuple[Shard, ...] = ()
    for start in range(0, size + ADDED, 100_000):
        numbers = range(start, min(start + 100_000, size + ADDED))
        table = pa.Table.from_pylist(
            [
                {
                    "sha256": _sha256(number),
                    "label": _LABELS[number % 2],
                    "group": _sha256(number),
                    "split": rows.SPLITS[number // 2 % 3],
                    "shard": key,
                }
                for number in numbers
            ],
            rows.SELECTION,
        )
        segments = selection.revise(store, segments, table)
    return segments


def _row(number: int) -> dict[str, object]:
    return {
        "image": {"bytes": portrait(number), "path": f"{number}.jpg"},
        "sha256": _sha256(number),
        "label": _LABELS[number % 2],
        "split": rows.SPLITS[number // 2 % 3],
    }


def _sha256(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def main() -> None:
    """Do one measurement, as `run` asks."""
    what, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    seconds = 0.0
    if what == "build":
        build(folder, size)
    else:
        seconds = cut(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps(Cost(size, seconds, peak)))


if __name__ == "__main__":
    main()
