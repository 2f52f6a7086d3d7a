"""COCO's JSON for each split, beside the photos: what object detectors are trained from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
from coralline_core.errors import CorallineError

from coralline.datasets import parents
from coralline.export.folder import by_split, file_name
from coralline.export.upright import upright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coralline.export.source import Source

_UNSPLIT = "all"
_UNKNOWN = "unknown"
_SEPARATOR = b",\n"
_ABOUT = ("creator", "page_url", "sha256")


def write_coco(source: Source, out: Path) -> None:
    """`<split>/<photo>`, and `annotations/instances_<split>.json` as https://cocodataset.org says.

    Of crops, the photos that they are from are written, and each crop's region is a box in its
    photo, margin included. Images that were not cropped have one box, all around. Photos that EXIF
    turns are turned, since few trainers heed it, and boxes are in px of the photo as it is seen.

    Args:
        source: What is exported.
        out: The folder.

    Raises:
        CorallineError: The photos of crops are no longer in the store.
    """
    boxes = _Boxes(source)
    for place, batches in _photos(source, boxes).shards():
        with source.work.parts(f"{place:06}") as parts:
            for batch in batches:
                for split, rows in by_split(batch):
                    folder = out / (split or _UNSPLIT)
                    folder.mkdir(exist_ok=True)
                    for photo in _each(rows):
                        name = file_name(photo)
                        (folder / name).write_bytes(upright(photo["image"]["bytes"]))
                        _append(parts[f"images_{folder.name}"], boxes.image(photo, name))
                        for box in boxes.of(photo):
                            _append(parts[f"annotations_{folder.name}"], box)
    folder = out / "annotations"
    folder.mkdir(exist_ok=True)
    for name in source.work.names:
        kind, _, split = name.partition("_")
        if kind == "images":
            with (folder / f"instances_{split}.json").open("wb") as file:
                _write_instances(source, boxes, split, file)


class _Boxes:
    """What is seen in each photo, and the ids of photos, labels and licences.

    A photo's id is its place among all by their sha256: the same each time, however often an
    export was interrupted.

    Attributes:
        photos: The sha256 of each photo that has a box, ascending.
        labels: The dataset's, in order.
        licences: The photos', in order.
    """

    def __init__(self, source: Source) -> None:
        crops = source.dataset.kind == "crops"
        photo = "source_sha256" if crops else "sha256"
        more = ["crop_index", "box", "detector_score"] if crops else []
        table = source.dataset.table(source.store, [photo, "label", "licence", *more])
        order = [photo, *more[:1], "label"]
        self._table = table.sort_by([(name, "ascending") for name in order])
        self._photos = np.array(self._table[photo].cast(pa.binary()).to_pylist(), "S64")
        self.photos = np.unique(self._photos)
        self.labels = source.dataset.labels
        self.licences = sorted({each or _UNKNOWN for each in table["licence"].unique().to_pylist()})

    def image(self, photo: dict[str, Any], name: str) -> dict[str, Any]:
        """A photo as COCO has it, and whom to thank for it."""
        return {
            "id": self._id(photo),
            "file_name": name,
            "width": photo["width"],
            "height": photo["height"],
            "license": 1 + self.licences.index(photo["licence"] or _UNKNOWN),
            "coco_url": photo["image_url"],
            **{name: photo[name] for name in _ABOUT},
        }

    def of(self, photo: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The annotations of a photo."""
        name = photo["sha256"].encode()
        first = int(np.searchsorted(self._photos, name))
        last = int(np.searchsorted(self._photos, name, "right"))
        for at, row in enumerate(self._table.slice(first, last - first).to_pylist(), first):
            box = row.get("box") or [0, 0, photo["width"], photo["height"]]
            score = {"detector_score": row["detector_score"]} if row.get("detector_score") else {}
            yield {
                "id": 1 + at,
                "image_id": self._id(photo),
                "category_id": 1 + self.labels.index(row["label"]),
                "bbox": box,
                "area": box[2] * box[3],
                "segmentation": [],
                "iscrowd": 0,
                **score,
            }

    def _id(self, photo: dict[str, Any]) -> int:
        return 1 + int(np.searchsorted(self.photos, photo["sha256"].encode()))


def _photos(source: Source, boxes: _Boxes) -> Source:
    """The photos that boxes are in: of crops, those that they are from."""
    dataset = source.dataset
    if dataset.kind == "crops":
        found = parents(source.store, dataset)
        if not found:
            raise CorallineError(
                f"the photos are not known: {', '.join(dataset.parents) or 'the parent'} has gone",
                where=f"{source.store.uri}/datasets",
                fix="Export the crops to another form.",
            )
        dataset = found[0]
    return source.photos_of(dataset, boxes.photos.tolist())


def _each(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows; one image at a time becomes Python's."""
    for at in range(batch.num_rows):
        yield {name: batch.column(name)[at].as_py() for name in batch.schema.names}


def _append(file: BinaryIO, entry: dict[str, Any]) -> None:
    file.write(_SEPARATOR if file.tell() else b"")
    file.write(json.dumps(entry, ensure_ascii=False).encode())


def _write_instances(source: Source, boxes: _Boxes, split: str, file: BinaryIO) -> None:
    """Join the entries of a split; there may be more of them than memory holds."""
    told = {
        "info": {"description": f"dataset {source.dataset.id} of coralline, {split}"},
        "licenses": [{"id": 1 + at, "name": name} for at, name in enumerate(boxes.licences)],
        "categories": [{"id": 1 + at, "name": name} for at, name in enumerate(boxes.labels)],
    }
    file.write(json.dumps(told, ensure_ascii=False).removesuffix("}").encode())
    for name in ("images", "annotations"):
        file.write(f', "{name}": [\n'.encode())
        file.writelines(source.work.join(f"{name}_{split}", _SEPARATOR))
        file.write(b"\n]")
    file.write(b"}\n")
