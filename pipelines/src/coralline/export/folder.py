"""Images in folders by split and label: what torchvision, Keras and `datasets` read."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from coralline.export.table import header, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coralline.export.source import Source

_METADATA = "metadata.csv"


def write_folder(source: Source, out: Path) -> None:
    """`<split>/<label>/<image>`, and `<split>/metadata.csv` with what is known of each image.

    The files hold the bytes that were crawled or cropped. A dataset without splits has no folders
    for them.

    Args:
        source: What is exported.
        out: The folder.
    """
    columns = ["file_name", *source.columns]
    for place, batches in source.shards():
        with source.work.parts(f"{place:06}") as parts:
            for batch in batches:
                for split, rows in by_split(batch):
                    names = [_written(row, out / split) for row in _images(rows)]
                    told = pa.RecordBatch.from_pydict(
                        {"file_name": pa.array(names, pa.string())}
                        | {name: rows.column(name) for name in source.columns}
                    )
                    write_lines(told, parts[split])
    for split in source.work.names:
        with (out / split / _METADATA).open("wb") as file:
            file.write(header(columns))
            file.writelines(source.work.join(split))


def by_split(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each split; `""` where there are no splits."""
    for split in batch.column("split").unique().to_pylist():
        mask = pc.equal(batch.column("split"), pa.scalar(split)) if split else None
        yield split or "", batch if mask is None else batch.filter(mask)


def file_name(row: dict[str, Any]) -> str:
    """The name of an image's file: its sha256; a crop's, its photo's and the crop's place in it."""
    suffix = PurePosixPath(row["image"]["path"]).suffix
    if "crop_index" in row:
        return f"{row['source_sha256']}-{row['crop_index']}{suffix}"
    return f"{row['sha256']}{suffix}"


def _images(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Rows with what a file needs; one image at a time becomes Python's."""
    needed = {"image", "sha256", "label", "source_sha256", "crop_index"}
    names = [name for name in batch.schema.names if name in needed]
    for at in range(batch.num_rows):
        yield {name: batch.column(name)[at].as_py() for name in names}


def _written(row: dict[str, Any], folder: Path) -> str:
    name = f"{row['label']}/{file_name(row)}"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(row["image"]["bytes"])
    return name
