"""The crops of a dataset: what is known of each is in memory, the pictures stay in the store."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import repeat
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from coralline_core import rows
from coralline_core.selection import Lookup
from coralline_core.shards import Shard, open_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

_COLUMNS = ("label", "split", "source_sha256", "box", "box_label", "page_url", "creator", "licence")
_PLACE = ("shard", "row_group", "row")
_READERS = 8
_HELD = 8  # row groups of pictures, about 8 MB each


class Crops:
    """A dataset of crops, each named by its row.

    Args:
        dataset: The manifest.
        store: Where its shards are.

    Raises:
        CorallineError: A shard or the selection cannot be read.
    """

    def __init__(self, dataset: Dataset, store: Store) -> None:
        self.dataset = dataset
        self._store = store
        self._pictures = lru_cache(_HELD)(self._read_pictures)
        self._reading: defaultdict[tuple[int, int], Lock] = defaultdict(Lock)
        self.table = self._read()
        """Label, split, photo, box and credits of each crop; where its picture is."""
        self.gone = np.zeros(len(self), bool)
        """Which crops nobody must be shown. Their rows stay: every server counts alike."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def forget(self, photos: Iterable[str]) -> None:
        """Show no crop of some photos any more, by their sha256."""
        gone = self.gone.copy()
        gone[self.rows_of(photos)] = True
        self.gone = gone

    def picture(self, row: int) -> bytes:
        """A crop's PNG. What lies near it in the store is held for a while.

        Raises:
            CorallineError: Its shard cannot be read.
        """
        shard, group, index = (self.table[name][row].as_py() for name in _PLACE)
        with self._reading[shard, group]:  # a page asks for many of one group at once
            pictures = self._pictures(shard, group)
        png: bytes = pictures[index].as_py()
        return png

    def pictures(self, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every row from `first` on with its PNG; one row group is in memory at a time.

        Raises:
            CorallineError: A shard cannot be read.
        """
        held: tuple[int, int] | None = None
        pictures: Any = None
        places = zip(*(self.table[name].slice(first) for name in _PLACE), strict=True)
        for row, place in enumerate(places, first):
            shard, group, index = (value.as_py() for value in place)
            if held != (shard, group):
                held, pictures = (shard, group), self._read_pictures(shard, group)
            yield row, pictures[index].as_py()

    def about(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What is known of some crops: the columns of `table`, a dict each."""
        found: list[dict[str, Any]] = self.table.take(pa.array(rows, pa.int64())).to_pylist()
        return found

    def rows_of(self, photos: Iterable[str]) -> list[int]:
        """The rows of all crops of some photos, by their sha256."""
        among = pa.array(sorted(photos), pa.string())
        of = pc.is_in(self.table["source_sha256"], value_set=among).to_numpy()
        found: list[int] = np.flatnonzero(of).tolist()
        return found

    def _read(self) -> pa.Table:
        """Those of the selection."""
        lookup = None
        if self.dataset.selection:
            decided = ("label", "split")
            selected = self.dataset.selected(self._store, ("sha256", *decided))
            lookup = Lookup(selected, ("source_sha256",), decided)
        with ThreadPoolExecutor(_READERS, "read") as pool:
            shards = self.dataset.shards
            read = pool.map(_known, repeat(self._store), range(len(shards)), shards)
            batches = [_selected(batch, lookup) for some in read for batch in some]
        known = [rows.CROPS.field(name) for name in _COLUMNS]
        schema = pa.schema([*known, *(pa.field(name, pa.int32()) for name in _PLACE)])
        return pa.Table.from_batches(batches, schema).combine_chunks()

    def _read_pictures(self, shard: int, group: int) -> Any:
        with open_shard(self._store, self.dataset.shards[shard]) as parquet:
            column = parquet.read_row_group(group, columns=["image"])["image"].combine_chunks()
        return pc.struct_field(column, "bytes")


def _known(store: Store, number: int, shard: Shard) -> list[pa.RecordBatch]:
    """All but the pictures of a shard's rows, and the place of each."""
    batches = []
    with open_shard(store, shard) as parquet:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=list(_COLUMNS))
            n = table.num_rows
            for name, at in zip(_PLACE, ([number] * n, [group] * n, range(n)), strict=True):
                table = table.append_column(name, pa.array(at, pa.int32()))
            batches += table.combine_chunks().to_batches()
    return batches


def _selected(batch: pa.RecordBatch, lookup: Lookup | None) -> pa.RecordBatch:
    if lookup is None:
        return batch.select([*_COLUMNS, *_PLACE])
    found, decided = lookup.find(batch, once=False)
    decided["label"] = pc.coalesce(found.column("box_label"), decided["label"])
    names = [*_COLUMNS, *_PLACE]
    arrays = [decided.get(name, found.column(name)) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names)
