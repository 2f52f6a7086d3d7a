"""Whether all that a store names is there, and is what was written."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from coralline_core import corrections, forgotten
from coralline_core.corrections import Correction
from coralline_core.forgotten import Notice
from coralline_core.model import CHAMPION, CHECKSUMS
from coralline_core.reports import Report
from coralline_crawler import record
from coralline_curator.splits import SplitRecord

from coralline.upkeep.damage import Damage, VerifyReport
from coralline.upkeep.inventory import (
    CROPS,
    DATASETS,
    MODELS,
    READERS,
    SHARDS,
    SPLITS,
    Inventory,
    objects,
    quarantined,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from coralline_core.progress import Progress
    from coralline_core.shards import Shard
    from coralline_core.store import Store

_BLOCK = 1 << 20
_RECORDS: dict[str, type[Report]] = {
    SPLITS: SplitRecord,
    corrections.FOLDER: Correction,
    forgotten.FOLDER: Notice,
}
_MADE_AGAIN = "the next run makes it again"
_FIXES = {
    SHARDS: "restore it, or let `coralline verify --repair` save what can be saved",
    DATASETS: _MADE_AGAIN,
    CROPS: _MADE_AGAIN,
    record.FOLDER: "restore it; without it, what it tells of is fetched again",
    SPLITS: "restore it; without it, no run can tell which images were in test",
    corrections.FOLDER: "restore it; without it, what people said there is forgotten",
    forgotten.FOLDER: "restore it; without it, what was to be forgotten may come back",
    MODELS: "restore it, from the run's folder or from a copy of the store",
    CHAMPION: "restore it, or delete it to begin with a first model",
}


class Checked(NamedTuple):
    """All that was found out about a store."""

    report: VerifyReport
    inventory: Inventory
    lost: frozenset[str]
    """Keys of the shards that are missing or are not what was written."""


def verify(store: Store, progress: Progress, *, quick: bool = False) -> Checked:
    """Look at everything in a store that anything depends on. Changes nothing.

    Args:
        store: Which.
        progress: Hears how much has been looked at.
        quick: Look whether objects are there and have their size, but do not read them.

    Raises:
        CorallineError: The store cannot be reached.
    """
    inventory = Inventory.take(store, progress)
    damages = [
        Damage(key=key, what=why, then=_fix(key)) for key, why in inventory.unreadable.items()
    ]
    small = [*inventory.datasets, *inventory.crawls, *inventory.crops, *inventory.unreadable]
    for folder, kind in _RECORDS.items():
        keys = list(store.list(folder))
        small += keys
        damages += _unparsable(store, keys, kind)
        if folder == SPLITS:
            damages += _gaps(keys)
    shards = {shard.key: shard for cut in inventory.crops.values() for shard in cut}
    shards |= inventory.named()
    sums, broken = _checksums(store, inventory)
    damages += broken
    expected = {
        **{key: (PurePosixPath(key).stem, shard.bytes) for key, shard in shards.items()},
        **{key: (digest, None) for key, digest in sums.items()},
    }
    read, wrong = _look_at(store, expected, progress, quick=quick)
    lost = {key: shards[key] for key in wrong if key in shards}
    taken_along = _taken_along(inventory, lost)
    damages += [
        Damage(key=key, what=why, then=_fix(key), **taken_along.get(key, {}))
        for key, why in sorted(wrong.items())
    ]
    report = VerifyReport(
        objects=len(small) + len(expected),
        bytes=read,
        quick=quick,
        quarantine=quarantined(store),
        damages=tuple(damages),
    )
    return Checked(report, inventory, frozenset(lost))


def is_well(store: Store, key: str, sha256: str) -> bool:
    """Whether there is an object, with this sha256."""
    try:
        return store.stat(key) is not None and _digest_of(store, key) == sha256
    except OSError:
        return False


def _digest_of(store: Store, key: str) -> str:
    """The sha256 of an object, of which a megabyte at a time is in memory.

    Raises:
        OSError: It cannot be read to its end.
    """
    digest = hashlib.sha256()
    with store.open(key) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _look_at(
    store: Store, expected: dict[str, tuple[str, int | None]], progress: Progress, *, quick: bool
) -> tuple[int, dict[str, str]]:
    """Hold objects against their checksums and sizes.

    Returns:
        How many bytes were read, and what is wrong, by key.
    """

    def look(key: str) -> tuple[str, int, str | None]:
        digest, size = expected[key]
        stat = store.stat(key)
        if stat is None:
            return key, 0, "is missing"
        if size is not None and stat.bytes != size:
            return key, 0, f"has {stat.bytes:,} bytes, and {size:,} were written"
        if quick:
            return key, 0, None
        try:
            found = _digest_of(store, key)
        except OSError as error:
            return key, 0, f"cannot be read: {error.strerror or error}"
        wrong = None if found == digest else f"is not what was written: its sha256 is {found}"
        return key, stat.bytes, wrong

    read, wrong = 0, {}
    with ThreadPoolExecutor(READERS, "verify") as pool:
        coming = as_completed([pool.submit(look, key) for key in expected])
        for future in progress.track(coming, len(expected), "objects"):
            key, size, why = future.result()
            read += size
            if why:
                wrong[key] = why
    return read, wrong


def _taken_along(inventory: Inventory, lost: Mapping[str, Shard]) -> dict[str, dict[str, Any]]:
    """By the key of a lost shard, what a damage says of it: images or rows, and datasets."""
    live = inventory.live().keys() & lost
    images: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for crawled in inventory.crawls.values():
        for shard in crawled.shards:
            if shard.key in live:
                images[shard.key] += crawled.kept
    broken: defaultdict[str, list[str]] = defaultdict(list)
    for key, dataset in inventory.datasets.items():
        for name in {part.key for part in dataset.objects} & lost.keys():
            broken[name].append(f"{dataset.kind} {PurePosixPath(key).stem}")
    return {
        key: {
            "images": images[key],
            "rows": 0 if images[key] else shard.rows,
            "datasets": tuple(broken[key]),
        }
        for key, shard in lost.items()
    }


def _unparsable(store: Store, keys: Iterable[str], kind: type[Report]) -> Iterator[Damage]:
    for key, data in objects(store, keys):
        try:
            if data is not None:
                kind.model_validate_json(data)
        except ValueError as error:
            yield Damage(key=key, what=reason(error), then=_fix(key))


def _gaps(keys: list[str]) -> Iterator[Damage]:
    """Splits are numbered: one that is missing is known by its number."""
    numbers = {int(stem) for key in keys if (stem := PurePosixPath(key).stem).isdigit()}
    for number in sorted(set(range(max(numbers, default=0))) - numbers):
        key = f"{SPLITS}{number:08}.json"
        yield Damage(key=key, what="is missing", then=_fix(key))


def _checksums(store: Store, inventory: Inventory) -> tuple[dict[str, str], list[Damage]]:
    """The sha256 that every file of every version should have, and what is wrong with these."""
    sums: dict[str, str] = {}
    damages = []
    for name, version in inventory.versions.items():
        key = f"{MODELS}{name}/{CHECKSUMS}"
        stored = store.get(key) if version.complete else None
        if stored is None:
            continue
        digest = hashlib.sha256(stored.data).hexdigest()
        if not digest.startswith(name):
            what = f"is not what was written: its sha256 is {digest}, and should begin with {name}"
            damages.append(Damage(key=key, what=what, then=_fix(key)))
            continue
        for line in stored.data.decode().splitlines():
            digest, _, file = line.partition("  ")
            sums[f"{MODELS}{name}/{file}"] = digest
    if inventory.champion is not None:
        named = inventory.versions.get(inventory.champion.version)
        if named is None or not named.complete:
            what = f"names version {inventory.champion.version}, which is not complete"
            damages.append(Damage(key=CHAMPION, what=what, then=_fix(CHAMPION)))
    return sums, damages


def _fix(key: str) -> str:
    return next(fix for start, fix in _FIXES.items() if key.startswith(start))
