"""Records of before visits said how large their images are and what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.shards import read_table

from coralline_crawler.record import KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.store import Store

    from coralline_crawler.record import Record, Visit

_LACKED = ("phash", "width", "height")


def completed(store: Store, record: Record) -> Sequence[Visit]:
    """The visits of a record; what an old one does not say of the images, their shards say."""
    if all(visit.phash is not None for visit in record.visits if visit.outcome == KEPT):
        return record.visits
    said = {
        (row.pop("label"), row.pop("sha256")): row
        for shard in record.shards
        if store.stat(shard.key)
        for row in read_table(store, shard, ("label", "sha256", *_LACKED)).to_pylist()
    }
    return [
        visit.model_copy(update=said.get((visit.label, visit.sha256), {}))
        for visit in record.visits
    ]
