"""Which shards hold images that somebody wanted gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_core.forgotten import Forgotten
from coralline_core.shards import open_shard

from coralline.upkeep.inventory import READERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from coralline_core.progress import Progress
    from coralline_core.shards import Shard
    from coralline_core.store import Store

    from coralline.upkeep.inventory import Inventory


def holding(
    store: Store, inventory: Inventory, there: Collection[str], progress: Progress
) -> frozenset[str]:
    """The keys of shards of images or crops that hold a forgotten one, whatever names them.

    Selections and records name images, and hold none.

    Args:
        store: Where.
        inventory: What is in it.
        there: The keys of its shards.
        progress: Hears how many have been looked at.

    Raises:
        CorallineError: A notice or a shard cannot be read; or one that the next dataset would name
            holds such an image, as no run has been made since it was forgotten.
    """
    forgotten = Forgotten.read(store)
    if not forgotten:
        return frozenset()
    datasets = (*inventory.datasets.values(), *inventory.quarantined.values())
    live = inventory.live()
    named = live | {shard.key: shard for dataset in datasets for shard in dataset.shards}
    shards = [shard for key, shard in named.items() if key in there]
    with ThreadPoolExecutor(READERS, "look") as pool:
        answers = pool.map(partial(_holds, store, forgotten), shards)
        found = zip(shards, progress.track(answers, len(shards), "shards"), strict=True)
        held = frozenset(shard.key for shard, holds in found if holds)
    if left := held & live.keys():
        raise CorallineError(
            f"no run has left out yet what is forgotten, in {len(left)} of the crawls' shards",
            where=store.uri,
            fix="Run the project, and then this again.",
        )
    return held


def _holds(store: Store, forgotten: Forgotten, shard: Shard) -> bool:
    with open_shard(store, shard) as parquet:
        photo = "source_sha256" if "source_sha256" in parquet.schema_arrow.names else "sha256"
        table = parquet.read(columns=[photo, "image_url", "page_url"])
    return any(
        forgotten.covers(url=row["image_url"], sha256=row[photo], page=row["page_url"])
        for row in table.to_pylist()
    )
