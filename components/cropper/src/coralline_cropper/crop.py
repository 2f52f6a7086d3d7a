"""Photos to crops."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pyarrow as pa
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.forgotten import Forgotten
from coralline_core.selection import revise

from coralline_cropper.cut import Cropper
from coralline_cropper.decode import decode_image, encode_png
from coralline_cropper.instructions import Instructions
from coralline_cropper.ledger import Ledger, Outcome, row_codes
from coralline_cropper.tally import count, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_cropper.cut import Crop
    from coralline_cropper.report import CropReport
    from coralline_cropper.settings import CropSettings

T = TypeVar("T")
R = TypeVar("R")

VERSION = 1
"""Of what crops look like: another one cuts all photos anew."""

_DECIDED = ("sha256", "label", "group", "split", "shard")
_WORKERS = min(8, os.cpu_count() or 1)  # each holds a decoded photo, which may take 100 MB


def crop(
    settings: CropSettings, images: Dataset, store: Store, progress: Progress
) -> tuple[Dataset, CropReport]:
    """Cut every photo of a dataset that was not cut before, and write the crops to the store.

    All the faces of a photo are cut, left to right. They have its group, its split and its label,
    unless their line in the box file, or a person who saw the crop, says another. Crops are PNG of
    `size` x `size` px. The same photos and settings give the same shards: photos keep their order,
    whichever is done first.

    What is cut is in the store as soon as a shard is full: a run that is killed goes on there.

    Args:
        settings: What is cut out, and how.
        images: Curated photos, each in a split.
        store: Where the photos are, and where the crops go.
        progress: Hears how many photos are done, and of what may be wrong with them.

    Returns:
        The manifest of the crops, not saved yet, and what there is to say of them.

    Raises:
        CorallineError: A label has no crop for training or none for test; the box file is wrong.
    """
    started = time.monotonic()
    everything = None if images.selection else _everything(images, store)
    selected = images.selected(store, _DECIDED) if everything is None else everything
    instructions = Instructions.read(settings, images, store)
    ledger = Ledger(store, fingerprint(settings), Forgotten.read(store).images, progress)
    places = ledger.places(selected)
    outdated = ledger.outdated(selected, places, instructions.digests())
    if len(outdated):
        ledger.release(outdated)
        places = ledger.places(selected)
    missing = selected.filter(places.is_null())
    progress.update(0, missing.num_rows, "photos")
    if missing.num_rows:
        _cut_all(settings, instructions, images, missing, store, ledger, progress)
        places = ledger.places(selected, places)
    if ledger.ahead:
        ledger.save()
    outcomes = ledger.outcomes(selected, places)
    dataset = Dataset(
        kind="crops",
        shards=ledger.shards(outcomes),
        selection=images.selection if everything is None else revise(store, (), everything),
        counts=count(outcomes),
        parents=(images.id,),
        settings=settings.model_dump(mode="json"),
    )
    report = tell(ledger, outcomes, dataset, images, store, time.monotonic() - started)
    _check_labels(images.labels, report)
    _warn(images.labels, report, int(outcomes["clipped"].to_numpy().sum()), progress)
    return dataset, report


def _everything(images: Dataset, store: Store) -> pa.Table:
    """All rows of a dataset that has no selection, as one."""
    table = images.table(store, ["sha256", "label", "group", "split"])
    columns = {name: table[name] for name in table.column_names}
    nulls = pa.nulls(table.num_rows)
    return pa.table(
        [columns.get(field.name, nulls.cast(field.type)) for field in rows.SELECTION],
        schema=rows.SELECTION,
    )


def fingerprint(settings: CropSettings) -> str:
    """Of all that a crop depends on beside its photo and what people drew in it and said of it."""
    depends: dict[str, Any] = {"version": VERSION, **settings.model_dump(exclude={"boxes"})}
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:12]


def _cut_all(
    settings: CropSettings,
    instructions: Instructions,
    images: Dataset,
    missing: pa.Table,
    store: Store,
    ledger: Ledger,
    progress: Progress,
) -> None:
    """Cut photos, and record what became of them whenever a shard of crops is in the store."""
    names: list[Any] = missing["sha256"].to_pylist()
    by_photo: dict[str, Mapping[str, Any]] = {
        **instructions.digests(),
        "row": dict(zip(names, row_codes(missing["shard"]).tolist(), strict=True)),
    }
    work = partial(_cut, Cropper(settings), instructions)
    named = set(missing["shard"].to_pylist())
    shards = None if None in named else [one.key for one in images.shards if one.key in named]
    photos = images.reader(store, only=missing).iter_rows(shards=shards)
    unrecorded: list[Outcome] = []
    recorded = 0
    with ShardWriter(store, rows.CROPS) as writer, ThreadPoolExecutor(_WORKERS) as pool:
        try:
            done = _in_order(pool, work, photos, ahead=4 * _WORKERS)
            for crops, outcome in progress.track(done, missing.num_rows, "photos"):
                for row in crops:
                    writer.add(row)
                known = {
                    name: of[outcome.sha256]
                    for name, of in by_photo.items()
                    if outcome.sha256 in of
                }
                unrecorded.append(outcome.model_copy(update=known))
                if len(writer.shards) > recorded:
                    writer.flush()  # a photo's crops are all in the shards of its record
                    ledger.add(writer.shards[recorded:], unrecorded)
                    recorded, unrecorded = len(writer.shards), []
        except KeyboardInterrupt:
            _record_rest(writer, recorded, unrecorded, ledger)
            raise
        _record_rest(writer, recorded, unrecorded, ledger)


def _record_rest(
    writer: ShardWriter, recorded: int, unrecorded: Sequence[Outcome], ledger: Ledger
) -> None:
    writer.flush()
    if unrecorded:
        ledger.add(writer.shards[recorded:], unrecorded)


class _Cut(NamedTuple):
    crops: list[dict[str, Any]]
    """Rows of CROPS."""
    outcome: Outcome


def _cut(cropper: Cropper, instructions: Instructions, photo: dict[str, Any]) -> _Cut:
    sha256 = photo["sha256"]
    pixels = decode_image(photo["image"]["bytes"])
    if pixels is None:
        return _Cut([], Outcome(sha256=sha256, rejected={"undecodable": 1}))
    lines = instructions.drawn.get(sha256, ())
    regions = cropper.regions(pixels, lines)
    if not regions:
        reason = "no-box" if instructions.drawn else "no-face"
        return _Cut([], Outcome(sha256=sha256, rejected={reason: 1}))
    # Numbered before any is dropped: another `min_size` leaves the others their names.
    numbered = list(enumerate(instructions.heed(sha256, regions)))
    wanted = [(at, region) for at, region in numbered if region is not None]
    kept = [(at, region) for at, region in wanted if cropper.is_large_enough(region)]
    labels = [region.label for _, region in kept if region.label]
    height, width = pixels.shape[:2]
    outcome = Outcome(
        sha256=sha256,
        crops=len(kept) - len(labels),
        labelled={label: labels.count(label) for label in sorted(set(labels))},
        clipped=sum(line.reaches_over(width, height) for line in lines),
        rejected={"corrected": len(regions) - len(wanted), "too-small": len(wanted) - len(kept)},
    )
    return _Cut([_row(photo, at, cropper.cut(pixels, region)) for at, region in kept], outcome)


def _row(photo: Mapping[str, Any], index: int, crop: Crop) -> dict[str, Any]:
    png = encode_png(crop.pixels)
    height, width = crop.pixels.shape[:2]
    region = crop.region
    return {
        **photo,
        "image": {"bytes": png, "path": f"{photo['sha256'][:16]}-{index}.png"},
        "sha256": hashlib.sha256(png).hexdigest(),
        "phash": None,
        "width": width,
        "height": height,
        "label": region.label or photo["label"],
        "source_sha256": photo["sha256"],
        "crop_index": index,
        "box": region.box,
        "detector_score": region.score,
        "box_label": region.label,
    }


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int
) -> Iterator[R]:
    """What `pool.map` gives, reading no more than `ahead` items ahead."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _check_labels(labels: Iterable[str], report: CropReport) -> None:
    for label in labels:
        counts = report.counts.get(label, {})
        lacking = [split for split in ("train", "test") if not counts.get(split)]
        if lacking:
            rejected = report.rejected_by_label.get(label, {})
            why = ", ".join(f"{reason} {count}" for reason, count in rejected.items())
            raise CorallineError(
                f"no crop for {' and none for '.join(lacking)} (rejected: {why or 'none'})",
                where=f"crop: label {label!r}",
                fix="Give it more photos, or set `crop:` to a lower `min_size`, or `mode: whole`.",
            )


def _warn(labels: Iterable[str], report: CropReport, clipped: int, progress: Progress) -> None:
    for label in labels:
        if not report.counts.get(label, {}).get("validation"):
            progress.warn(f"{label} has no crop for validation")
    if clipped:
        progress.warn(
            f"drawn boxes that reach over their photo's borders and were clipped: {clipped}"
        )
