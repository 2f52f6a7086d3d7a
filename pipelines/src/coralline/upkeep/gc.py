"""What nobody needs any more: found, and deleted if that is wanted."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from coralline_core.errors import CorallineError
from coralline_core.handover import RUNS

from coralline.cluster.settings import seconds
from coralline.upkeep.garbage import NAMING, Found, Garbage, GcReport
from coralline.upkeep.inventory import (
    DATASETS,
    MODELS,
    QUARANTINE,
    READERS,
    SHARDS,
    UNREADABLE,
    Inventory,
)
from coralline.upkeep.takedown import holding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Stat, Store

_SKEW = timedelta(hours=1)  # by which this machine's clock and the store's may differ
_ABANDONED = timedelta(days=14)  # longer than any step may take
_SHARD = re.compile(r"shards/[0-9a-f]{64}\.parquet")


def cutoff(older_than: str) -> datetime:
    """The time before which garbage must have been written.

    Args:
        older_than: Such as `24h`, `90m` or `7d`. An hour is added, for clocks that differ.

    Raises:
        CorallineError: It is no span of time.
    """
    match = re.fullmatch(r"\d{1,6}[smhd]", older_than.strip())
    if match is None:
        fix = "Write a number and s, m, h or d: 24h."
        raise CorallineError("not a span of time", where=f"--older-than {older_than}", fix=fix)
    span = timedelta(seconds=seconds(match[0]))
    return datetime.now(UTC) - span - _SKEW


def find_garbage(
    store: Store,
    before: datetime,
    progress: Progress,
    keep_last: int | None = None,
    *,
    forgotten: bool = False,
) -> Found:
    """Find the shards that no kept manifest and no crawl's record names, and other leftovers.

    What is younger than `before` is no garbage: a run writes shards first, and what names them
    afterwards. With `keep_last`, older manifests are garbage, too, but for those that the champion
    or any version of the model was made from. With `forgotten`, every manifest is that names a
    shard with a forgotten image, be it such a one or in quarantine: it is of no use without.

    Args:
        store: Where.
        before: See `cutoff`.
        progress: Hears how many objects have been looked at.
        keep_last: How many manifests of each kind to keep at least; None keeps all.
        forgotten: Whether shards with forgotten images go, whatever names them.

    Raises:
        CorallineError: Something there cannot be read, so that what it needs is not known; or what
            is forgotten is in what the next dataset would name.
    """
    shards = [key for key in store.list(SHARDS) if _SHARD.fullmatch(key)]  # before what names them
    inventory = Inventory.take(store, progress)
    _require_readable(store, inventory)
    with ThreadPoolExecutor(READERS, "look") as pool:

        def old(keys: Iterable[str]) -> dict[str, int]:
            """The bytes of those objects that are old enough."""
            keys = list(keys)
            stats = progress.track(pool.map(store.stat, keys), len(keys), "objects")
            pairs = zip(keys, stats, strict=True)
            return {key: stat.bytes for key, stat in pairs if stat and stat.modified < before}

        aside = 0
        unwanted = set[str]()
        if keep_last is not None:
            keys = list(inventory.datasets)
            stats = dict(zip(keys, pool.map(store.stat, keys), strict=True))
            unwanted = inventory.datasets.keys() - _kept(inventory, stats, before, keep_last)
        manifests = inventory.datasets | inventory.quarantined
        if forgotten:
            aside = sum(1 for _ in store.list(f"{QUARANTINE}{SHARDS}"))
            held = holding(store, inventory, frozenset(shards), progress)
            unwanted |= {
                key
                for key, dataset in manifests.items()
                if any(shard.key in held for shard in dataset.shards)
            }
        gone = old(key for key in manifests if key in unwanted)
        left = Inventory(
            {key: one for key, one in inventory.datasets.items() if key not in gone},
            inventory.crawls,
            quarantined={k: one for k, one in inventory.quarantined.items() if k not in gone},
        )
        named = _needed(left)
        unnamed = [key for key in shards if key not in named]
        loose = old(unnamed)
        there = set(shards).difference(loose)
        crops = old(
            key
            for key, cut in inventory.crops.items()
            if any(shard.key not in there for shard in cut)
        )
        kinds = pool.map(lambda key: _kind(store, key), loose)
        models = _unfinished_models(store, inventory, before)
        runs = _ended_runs(store, before)
        garbage = (
            *(Garbage("manifests", *one) for one in gone.items()),
            *(Garbage("records of crops", *one) for one in crops.items()),
            *(Garbage(kind, *one) for kind, one in zip(kinds, loose.items(), strict=True)),
            *(Garbage("unfinished models", *one) for one in models),
            *(Garbage("runs of Jobs", *one) for one in runs),
        )
    young = len(unwanted) - len(gone) + len(unnamed) - len(loose)
    return Found(garbage, young, before, aside, inventory)


def delete_garbage(store: Store, found: Found, progress: Progress) -> GcReport:
    """Delete what was found, unless it has been named or written anew meanwhile.

    What names shards goes first: whenever the process dies, what is left is whole, and the next
    time finds the rest. Then is read what has been written since the garbage was found, so that
    nothing goes which that names.

    Args:
        store: Where.
        found: By `find_garbage`.
        progress: Hears how many objects are deleted.

    Raises:
        CorallineError: Something that was written meanwhile cannot be read.
    """
    names = [one for one in found.garbage if one.kind in NAMING]
    deleted = list(_delete(store, names, found.before, progress))
    again = Inventory.take(store, progress, found.inventory)
    _require_readable(store, again)
    named = _needed(again)
    complete = tuple(f"{MODELS}{name}/" for name, one in again.versions.items() if one.complete)
    others = [
        one
        for one in found.garbage[len(names) :]
        if one.key not in named and not one.key.startswith(complete)
    ]
    deleted += _delete(store, others, found.before, progress)
    return GcReport.of(deleted, found, deleted=True, swept=store.sweep(found.before))


def _delete(
    store: Store, garbage: Sequence[Garbage], before: datetime, progress: Progress
) -> Iterator[Garbage]:
    """Delete objects, but for those that have been written anew, and give out which."""
    for one in progress.track(garbage, len(garbage), "deleted"):
        stat = store.stat(one.key)
        if stat is not None and stat.modified < before:
            store.delete(one.key)
            yield one


def _needed(inventory: Inventory) -> set[str]:
    """The shards that must stay, those of manifests in quarantine too: they may come back."""
    aside = inventory.quarantined.values()
    return {*inventory.named(), *(part.key for one in aside for part in one.objects)}


def _kept(
    inventory: Inventory, stats: dict[str, Stat | None], before: datetime, keep_last: int
) -> dict[str, None]:
    """The manifests that stay: the newest, those of models, and what they were all made from."""
    by_kind: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
    kept: dict[str, None] = {}
    for key, stat in stats.items():
        if stat is None or stat.modified >= before:
            kept[key] = None
        if stat is not None:
            dataset = inventory.datasets[key]
            by_kind[dataset.kind].append((dataset.written(stat.modified), key))
    for ages in by_kind.values():
        kept |= dict.fromkeys(key for _, key in sorted(ages, reverse=True)[:keep_last])
    models = [version.dataset for version in inventory.versions.values()]
    models += [inventory.champion.dataset] if inventory.champion else []
    kept |= dict.fromkeys(f"{DATASETS}{dataset}.json" for dataset in models if dataset)
    waiting = list(kept)
    while waiting:
        child = inventory.datasets.get(waiting.pop())
        parents = [f"{DATASETS}{parent}.json" for parent in (child.parents if child else ())]
        waiting += [key for key in parents if key not in kept]
        kept |= dict.fromkeys(parents)
    return kept


def _unfinished_models(
    store: Store, inventory: Inventory, before: datetime
) -> Iterator[tuple[str, int]]:
    """The files of versions that nobody is publishing any more, with their bytes."""
    for version in inventory.versions.values():
        if not version.complete:
            stats = [(key, store.stat(key)) for key in version.files]
            if all(stat is None or stat.modified < before for _, stat in stats):
                yield from ((key, stat.bytes) for key, stat in stats if stat is not None)


def _ended_runs(store: Store, before: datetime) -> Iterator[tuple[str, int]]:
    """What steps of Jobs handed to each other in runs that are over, with its bytes.

    A run is over when its last step is; of one that never came so far nothing is written for long.
    """
    for run, named in groupby(store.list(RUNS), key=lambda key: key.split("/")[1]):
        keys = list(named)
        over = before if f"{RUNS}{run}/publish.json" in keys else before - _ABANDONED
        stats = [(key, store.stat(key)) for key in keys]
        if all(stat is None or stat.modified < over for _, stat in stats):
            yield from ((key, stat.bytes) for key, stat in stats if stat is not None)


def _kind(store: Store, key: str) -> str:
    """What a shard that nothing names holds."""
    try:
        with store.open(key) as file:
            names = pq.read_schema(file).names
    except UNREADABLE:
        return "unreadable shards"
    return "crops" if "crop_index" in names else "images" if "image" in names else "selections"


def _require_readable(store: Store, inventory: Inventory) -> None:
    for key, why in inventory.unreadable.items():
        others = len(inventory.unreadable) - 1
        raise CorallineError(
            f"{why}; so what it needs is not known, and nothing is deleted"
            + (f" ({others} more are not readable)" if others else ""),
            where=f"{store.uri}/{key}",
            fix="See what is wrong, and put it right: coralline verify.",
        )
