"""Shards of images in which something is to be otherwise, written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coralline_core import journal, rows
from coralline_core.dataset import ShardWriter
from coralline_core.shards import row_groups

from coralline_crawler.columns import image_key
from coralline_crawler.record import FOLDER, Limits, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coralline_core.dataset import Shard
    from coralline_core.store import Store

    from coralline_crawler.history import History
    from coralline_crawler.record import Visit

    Row = dict[str, Any]


def rewrite(
    store: Store,
    history: History,
    record: int,
    change: Callable[[int, Row], Row | None],
    standing: Callable[[Sequence[int]], Sequence[Visit]],
) -> int:
    """Write the shards of a record anew, and another record which says that they stand for them.

    So no later manifest names the old ones. They stay until nothing names them any more.

    Args:
        store: Where they are.
        history: What all crawls came upon.
        record: The record's place.
        change: Takes an image's key and its row of `rows.IMAGES`, and gives the row that is to
            stand there; None: it is left out.
        standing: Takes the keys of the images that are left, and gives a visit that keeps each.

    Returns:
        How many shards have others in their place.
    """
    old = history.entries[record].shards
    shards: list[Shard] = []
    left: list[int] = []
    for shard in old:
        with ShardWriter(store, rows.IMAGES, shard_bytes=1 << 40) as writer:
            for row in _rows(store, shard):
                key = image_key(row["label"], row["sha256"])
                if changed := change(key, row):
                    writer.add(changed)
                    left.append(key)
        shards += writer.shards
    limits = history.names["limits"][history["limits"][history["record"] == record][0]]
    # One record for all of them: the old one is void as soon as any of its shards is replaced.
    new = Record(
        limits=Limits.model_validate_json(limits),
        shards=tuple(shards),
        replaces=tuple(shard.key for shard in old),
        visits=tuple(standing(left)),
    )
    journal.append(store, FOLDER, new)
    return len(old)


def _rows(store: Store, shard: Shard) -> Iterator[Row]:
    for batch in row_groups(store, shard):
        for index in range(batch.num_rows):
            yield batch.slice(index, 1).to_pylist()[0]
