"""Photos to crops."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.errors import CorallineError

from coralline_cropper.box_file import boxes_by_photo
from coralline_cropper.cut import Cropper
from coralline_cropper.decode import decode_image, encode_png
from coralline_cropper.tally import Outcome, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_cropper.box_file import DrawnBox
    from coralline_cropper.cut import Crop
    from coralline_cropper.report import CropReport
    from coralline_cropper.settings import CropSettings

T = TypeVar("T")
R = TypeVar("R")

_WORKERS = min(8, os.cpu_count() or 1)  # each holds a decoded photo, which may take 100 MB


def crop(
    settings: CropSettings, images: Dataset, store: Store, progress: Progress
) -> tuple[Dataset, CropReport]:
    """Cut every photo of a dataset, and write the crops to the store.

    All the faces of a photo are cut, left to right. They have its group, its split and its label,
    unless their line in the box file names another. Crops are PNG of `size` x `size` px. The same
    photos and settings give the same shards: photos keep their order, whichever is done first.

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
    work = partial(_cut, Cropper(settings), _drawn_boxes(settings, images, store))
    tally = Tally()
    with ShardWriter(store, rows.CROPS) as writer, ThreadPoolExecutor(_WORKERS) as pool:
        outcomes = _in_order(pool, work, images.iter_rows(store), ahead=4 * _WORKERS)
        for outcome in progress.track(outcomes, len(images), "photos"):
            for row in outcome.crops:
                writer.add(row)
            tally.add(outcome)
    dataset = Dataset(
        kind="crops",
        shards=tuple(writer.shards),
        counts=writer.counts,
        parents=(images.id,),
        settings=settings.model_dump(mode="json"),
    )
    report = tally.report(dataset, time.monotonic() - started)
    _check_labels(images.labels, report)
    _warn(images.labels, report, tally.clipped, progress)
    return dataset, report


def _drawn_boxes(
    settings: CropSettings, images: Dataset, store: Store
) -> Mapping[str, Sequence[DrawnBox]]:
    if settings.boxes is None:
        return {}
    photos = images.table(store, ["sha256", "image_url"]).to_pylist()
    return boxes_by_photo(settings.boxes, photos, images.labels)


def _cut(
    cropper: Cropper, drawn: Mapping[str, Sequence[DrawnBox]], photo: dict[str, Any]
) -> Outcome:
    pixels = decode_image(photo["image"]["bytes"])
    if pixels is None:
        return Outcome(photo, [], Counter({"undecodable": 1}))
    lines = drawn.get(photo["sha256"], ())
    regions = cropper.regions(pixels, lines)
    if not regions:
        return Outcome(photo, [], Counter({"no-box" if drawn else "no-face": 1}))
    # Numbered before small ones are dropped: another `min_size` leaves the others their names.
    kept = [(at, region) for at, region in enumerate(regions) if cropper.is_large_enough(region)]
    crops = [_row(photo, at, cropper.cut(pixels, region)) for at, region in kept]
    height, width = pixels.shape[:2]
    clipped = sum(line.reaches_over(width, height) for line in lines)
    return Outcome(photo, crops, Counter({"too-small": len(regions) - len(kept)}), clipped)


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
