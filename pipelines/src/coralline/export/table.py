"""Metadata as CSV: what is known of each image, and whom to thank for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import WriteOptions, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from coralline.export.source import Source

_CORNERS = ("x1", "y1", "x2", "y2")


def write_table(source: Source, out: Path) -> None:
    """A table with a line for each image, and no images.

    Args:
        source: What is exported.
        out: The file.
    """
    with out.open("wb") as file:
        file.write(header(source.columns))
        for batch in source.metadata():
            write_lines(batch, file)


def header(columns: list[str]) -> bytes:
    """The first line of a table with some columns."""
    return (",".join(name for column in columns for name in _flat(column)) + "\n").encode()


def write_lines(batch: pa.RecordBatch, file: BinaryIO) -> None:
    """The rows of a batch; a box becomes its corners, which are not in it on the right and below.

    An empty field is one that is not known.
    """
    arrays: dict[str, Any] = {}
    for name in batch.schema.names:
        column = batch.column(name)
        arrays |= _corners(column) if name == "box" else {name: column}
    table = pa.table(arrays)
    write_csv(table, file, WriteOptions(include_header=False))


def _flat(column: str) -> tuple[str, ...]:
    return _CORNERS if column == "box" else (column,)


def _corners(box: Any) -> dict[str, Any]:
    left, top, width, height = (pc.list_element(box, at) for at in range(4))
    edges = (left, top, pc.add(left, width), pc.add(top, height))
    return dict(zip(_CORNERS, edges, strict=True))
