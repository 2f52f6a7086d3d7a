"""CREDITS.csv: whom a model owes its pictures to."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import write_csv

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

CREDITS = "CREDITS.csv"
UNKNOWN = "unknown"

_NAMED = ("creator", "licence", "page_url", "image_url")


def credits_of(crops: Dataset, store: Store) -> bytes:
    """The photos that a model was trained, validated and tested on, a line each, as CSV in UTF-8.

    The columns are `creator`, `licence`, `page_url`, `image_url`, `sha256` (the photo's) and
    `crops` (how many are from it); what is not known is `unknown`. The same crops give the same
    bytes, in whatever order they lie in shards.

    Args:
        crops: All of them.
        store: Where they are.

    Raises:
        CorallineError: A shard is missing or cannot be read.
    """
    table = crops.table(store, [*_NAMED, "source_sha256"])
    photos = table.group_by([*_NAMED, "source_sha256"]).aggregate([([], "count_all")])
    columns: dict[str, Any] = {name: photos[name] for name in _NAMED}
    columns = {name: pc.fill_null(column, UNKNOWN) for name, column in columns.items()}
    columns |= {"sha256": photos["source_sha256"], "crops": photos["count_all"]}
    lines = pa.table(columns)
    order = ("creator", "page_url", "sha256", "image_url", "licence")
    file = io.BytesIO()
    write_csv(lines.sort_by([(name, "ascending") for name in order]), file)
    return file.getvalue()
