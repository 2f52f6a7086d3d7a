"""Counting what became of the photos, and picking pictures to look at."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from coralline_cropper.decode import decode_image, encode_thumbnail
from coralline_cropper.ledger import REASONS
from coralline_cropper.report import CropReport

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

    from coralline_cropper.ledger import Ledger

pc: Any = pyarrow.compute  # its stubs know few of its uses

_SAMPLES = 12  # crops a label
_WITHOUT_CROPS = 6  # photos


def count(outcomes: pa.Table) -> dict[str, dict[str, int]]:
    """Crops by label, then by split.

    Args:
        outcomes: Of `Ledger.outcomes`.
    """
    counts: dict[str, Counter[str]] = {}
    sums = outcomes.group_by(["label", "split"]).aggregate([("crops", "sum")])
    for row in sums.to_pylist():
        counts.setdefault(row["label"], Counter())[row["split"] or ""] += row["crops_sum"]
    drawn = outcomes.filter(pc.is_valid(outcomes["labelled"]))
    for row in drawn.select(["labelled", "split"]).to_pylist():
        for label, crops in json.loads(row["labelled"]).items():
            counts.setdefault(label, Counter())[row["split"] or ""] += crops
    there = {label: {s: n for s, n in by.items() if n} for label, by in sorted(counts.items())}
    return {label: by for label, by in there.items() if by}


def tell(
    ledger: Ledger,
    outcomes: pa.Table,
    crops: Dataset,
    images: Dataset,
    store: Store,
    seconds: float,
) -> CropReport:
    """What there is to say of photos that have become crops.

    Args:
        ledger: Which knows the shards.
        outcomes: What it says of the photos.
        crops: What they have become.
        images: What they are from.
        store: Where both are: pictures are taken from there.
        seconds: What it took.
    """
    sums = outcomes.group_by("label").aggregate([(reason, "sum") for reason in REASONS])
    by_label: dict[str, dict[str, int]] = {
        row["label"]: {one: row[f"{one}_sum"] for one in REASONS if row[f"{one}_sum"]}
        for row in sums.sort_by("label").to_pylist()
    }
    totals = sum((Counter(of_label) for of_label in by_label.values()), Counter[str]())
    return CropReport(
        photos=outcomes.num_rows,
        crops=len(crops),
        counts=crops.counts,
        rejected=dict(sorted(totals.items())),
        rejected_by_label=by_label,
        crops_per_photo=_crops_per_photo(outcomes),
        samples={label: _samples(label, ledger, outcomes, crops, store) for label in crops.counts},
        without_crops=_without_crops(outcomes, images, store),
        seconds=seconds,
    )


def _crops_per_photo(outcomes: pa.Table) -> dict[int, int]:
    crops = outcomes["crops"].to_numpy().copy()
    drawn = np.flatnonzero(pc.is_valid(outcomes["labelled"]).to_numpy())
    texts: list[Any] = outcomes["labelled"].take(drawn).to_pylist()
    for at, labelled in zip(drawn, texts, strict=True):
        crops[at] += sum(json.loads(labelled).values())
    return {n: count for n, count in enumerate(np.bincount(crops).tolist()) if count}


def _samples(
    label: str, ledger: Ledger, outcomes: pa.Table, crops: Dataset, store: Store
) -> list[str]:
    """The first crops of a label in the training split, small."""
    own = pc.and_(pc.equal(outcomes["label"], label), pc.greater(outcomes["crops"], 0))
    drawn = pc.match_substring(pc.fill_null(outcomes["labelled"], ""), json.dumps(label))
    train = pc.and_(pc.or_(own, drawn), pc.equal(outcomes["split"], "train"))
    photos = _first(outcomes.filter(train), "record", 4 * _SAMPLES)
    shards = [shard.key for shard in ledger.shards(photos)]
    pictures: list[str] = []
    for row in crops.reader(store, photos).iter_rows(["image", "label"], "train", shards):
        if row["label"] == label and len(pictures) < _SAMPLES:
            pictures += _thumbnail(row)
    return pictures


def _without_crops(outcomes: pa.Table, images: Dataset, store: Store) -> list[str]:
    """The first photos that decode and gave no crop, small."""
    none = pc.and_(pc.equal(outcomes["crops"], 0), pc.is_null(outcomes["labelled"]))
    none = pc.and_(none, pc.equal(outcomes["undecodable"], 0))
    photos = _first(outcomes.filter(none), "shard", _WITHOUT_CROPS)
    named: list[Any] = photos["shard"].to_pylist()
    shards = None if None in named else sorted(set(named))
    found = images.reader(store, photos).iter_rows(["image"], shards=shards)
    return [picture for row in found for picture in _thumbnail(row)] if photos.num_rows else []


def _first(photos: pa.Table, by: str, at_most: int) -> pa.Table:
    order = pc.sort_indices(photos, sort_keys=[(by, "ascending"), ("sha256", "ascending")])
    return photos.take(order[:at_most])


def _thumbnail(row: dict[str, Any]) -> list[str]:
    """One, or none where the picture does not decode."""
    pixels = decode_image(row["image"]["bytes"])
    return [] if pixels is None else [base64.b64encode(encode_thumbnail(pixels)).decode()]
