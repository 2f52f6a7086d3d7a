"""The curated selection, brought up to date with the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from coralline_core import rows
from coralline_core.selection import read, revise

from coralline_curator.catalogue import KEPT
from coralline_curator.splits import SPLITS

if TYPE_CHECKING:
    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_curator.catalogue import Catalogue, Indices


class Rows(NamedTuple):
    """Rows of the curated selection, in codes: columns, by ascending photo."""

    photo: Indices
    label: NDArray[np.int16]
    root: Indices
    split: NDArray[np.int8]
    shard: NDArray[np.int32]

    def without(self, others: Rows) -> Rows:
        """Those that are not in `others` just as they are."""
        alone = np.ones(len(self.photo), bool)
        if len(others.photo):
            at = np.searchsorted(others.photo, self.photo)
            at[at == len(others.photo)] = 0
            pairs: Any = zip(self, others, strict=True)
            same = [mine == theirs[at] for mine, theirs in pairs]
            alone = ~np.logical_and.reduce(same)
        columns: Any = [column[alone] for column in self]
        return Rows(*columns)

    def table(self, catalogue: Catalogue) -> pa.Table:
        """As `rows.SELECTION`."""
        sha256 = catalogue.photos["sha256"]
        names: Any = [[*catalogue.labels, ""], [*SPLITS, None], [*catalogue.shards, None]]
        labels, splits, shards = (np.array(values, object) for values in names)
        columns = {
            "sha256": pa.array(sha256[self.photo]).cast(pa.string()),
            "label": pa.array(labels[self.label], pa.string()),
            "group": pa.array(sha256[self.root]).cast(pa.string()),
            "split": pa.array(splits[self.split], pa.string()),
            "shard": pa.array(shards[self.shard], pa.string()),
        }
        empty = pa.nulls(len(self.photo))
        arrays = [columns.get(one.name, empty.cast(one.type)) for one in rows.SELECTION]
        return pa.Table.from_arrays(arrays, schema=rows.SELECTION)


def rows_of(catalogue: Catalogue, photos: Indices, shard: str = "shard") -> Rows:
    """Rows for those photos that are kept; as they are listed, with `shard="named"`."""
    columns = catalogue.photos
    kept = photos[columns["status"][photos] == KEPT]
    return Rows(kept, *(columns[name][kept] for name in ("label", "root", "split", shard)))


def bring_up_to_date(catalogue: Catalogue, photos: Indices, before: Rows, store: Store) -> None:
    """Write the segments of the selection that some photos' fate has changed.

    Args:
        catalogue: Which names the segments.
        photos: All of which something may have changed.
        before: Their rows in the selection as it is.
        store: Where the segments go.
    """
    now = rows_of(catalogue, photos)
    added, removed = now.without(before), before.without(now)
    places = catalogue.photos["place"]
    segments = revise(
        store,
        catalogue.selection,
        added.table(catalogue),
        removed.table(catalogue),
        within=set(places[removed.photo].tolist()),
    )
    old = {part.key: place for place, part in enumerate(catalogue.selection)}
    moved = np.full(len(old) + 1, -1, np.int32)
    for place, part in enumerate(segments):
        if part.key in old:
            moved[old[part.key]] = place
    catalogue.photos["place"] = places = moved[places]
    places[removed.photo] = -1
    catalogue.photos["named"][added.photo] = added.shard
    for place, part in enumerate(segments):
        if part.key not in old:
            names: list[Any] = read(store, [part], ["sha256"])["sha256"].to_pylist()
            places[catalogue.find_sha256(names)] = place
    catalogue.selection = segments
