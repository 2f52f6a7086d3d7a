"""Selections: which rows of the shards belong to a dataset, in segments that datasets share.

A segment is a shard of `rows.SELECTION`. A dataset that differs from the one before in a few rows
has new segments for these, and names the same ones for all others. So what changed between two
datasets is found, and what changes is written, at the cost of the change.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coralline_core import rows
from coralline_core.shards import read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from coralline_core.shards import Shard
    from coralline_core.store import Store

SEGMENT_ROWS = 8192
_FEW = SEGMENT_ROWS // 4  # rows, with fewer of which a segment is not worth an object
_ROW = ("sha256", "label", "group")
_READERS = 16


def revise(
    store: Store,
    segments: Sequence[Shard],
    added: pa.Table,
    removed: pa.Table | None = None,
    within: Collection[int] | None = None,
) -> tuple[Shard, ...]:
    """Take rows out of a selection and put others in.

    Args:
        store: Where the segments are.
        segments: The selection as it was; empty for a new one.
        added: Rows of `rows.SELECTION`.
        removed: Rows to take out: `sha256`, `label` and `group` of each.
        within: The places of the segments that may hold them; all by default.

    Returns:
        The selection as it is now. Segments without a change are the same objects. A new
        selection is the same in whatever order its rows come.
    """
    kept: list[Shard] = []
    loose = [added.sort_by([(name, "ascending") for name in _ROW])]
    gone = _rows(removed) if removed is not None else set()
    names = pa.array(sorted({sha256 for sha256, *_ in gone}), pa.string())
    for place, segment in enumerate(segments):
        if not gone or (within is not None and place not in within):
            kept.append(segment)
            continue
        table = read_table(store, segment)
        near = pc.is_in(table["sha256"], value_set=names).to_numpy()
        out = np.zeros(len(near), bool)
        at = np.flatnonzero(near)
        out[at] = [row in gone for row in _row_list(table.take(at))]
        if not out.any():
            kept.append(segment)
            continue
        rest = table.filter(pa.array(~out))
        if rest.num_rows >= _FEW:
            kept.append(write_table(store, rest))
        else:
            loose.append(rest)
    if any(table.num_rows for table in loose):
        if kept and kept[-1].rows < SEGMENT_ROWS:
            loose.insert(0, read_table(store, kept.pop()))
        whole = pa.concat_tables(loose).combine_chunks()
        kept += [
            write_table(store, whole.slice(start, SEGMENT_ROWS))
            for start in range(0, whole.num_rows, SEGMENT_ROWS)
        ]
    return tuple(kept)


def read(store: Store, segments: Iterable[Shard], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of some segments, in order; many are fetched at a time.

    Raises:
        CorallineError: A segment is missing or not what was written.
    """
    empty = rows.SELECTION.empty_table()
    with ThreadPoolExecutor(_READERS, "read") as pool:
        tables = list(pool.map(partial(read_table, store, columns=columns), segments))
    return pa.concat_tables([empty if columns is None else empty.select(columns), *tables])


class Lookup:
    """A selection in memory, which rows of shards are held against.

    Args:
        table: Rows of `rows.SELECTION`.
        key: The columns of a shard's rows that name a selected one: `sha256` and `label` where
            one image may be there under two labels; `source_sha256` for a photo's crops.
        decided: The columns that the selection has the say in.
    """

    def __init__(self, table: pa.Table, key: Sequence[str], decided: Sequence[str]) -> None:
        keys = _keys(table, ["sha256", "label"][: len(key)])
        _, first = np.unique(keys, return_index=True)
        self._key = key
        self._keys = keys[first]
        table = table.take(first)
        self._decided: dict[str, Any] = {name: table[name].combine_chunks() for name in decided}
        self._taken: NDArray[np.bool_] = np.zeros(len(first), bool)

    def again(self) -> Lookup:
        """The same, of which nothing has been taken."""
        other = object.__new__(Lookup)
        other.__dict__ = {**self.__dict__, "_taken": np.zeros(len(self._keys), bool)}
        return other

    def find(self, batch: pa.RecordBatch, once: bool) -> tuple[pa.RecordBatch, dict[str, Any]]:
        """The rows of `batch` that are selected, and the decided columns for each of them.

        Args:
            batch: Rows with the key's columns.
            once: Take each selected row once: an image that two crawls wrote is in two rows.
        """
        keys = _keys(batch, self._key)
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        found = self._keys[at] == keys if len(self._keys) else np.zeros(len(keys), bool)
        if once:
            _, first = np.unique(keys, return_index=True)
            alone = np.zeros(len(keys), bool)
            alone[first] = True
            found &= alone & ~self._taken[at] if len(self._keys) else alone
            self._taken[at[found]] = True
        places = pa.array(at[found])
        return (
            batch.filter(pa.array(found)),
            {name: column.take(places) for name, column in self._decided.items()},
        )


def _keys(table: Any, names: Sequence[str]) -> NDArray[np.bytes_]:
    """The key of every row of a table or batch, as bytes of one width."""
    key: Any = pa.chunked_array(table.column(names[0]))
    for name in names[1:]:
        key = pc.binary_join_element_wise(key, table.column(name), "\0")
    # By chunks, which become Python's objects on the way: of a million there are never all.
    parts = [np.array(chunk.cast(pa.binary()).to_pylist(), "S") for chunk in key.chunks]
    return np.concatenate([np.empty(0, "S1"), *parts])


def _rows(table: pa.Table) -> set[tuple[str, str, str | None]]:
    return set(_row_list(table))


def _row_list(table: pa.Table) -> list[tuple[str, str, str | None]]:
    return list(zip(*(table[name].to_pylist() for name in _ROW), strict=True))
