"""Crawled images out of damaged shards, and from wherever else they are."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
from coralline_core import journal, rows
from coralline_core.forgotten import Forgotten
from coralline_core.shards import ShardWriter, read_table
from coralline_crawler.columns import image_key
from coralline_crawler.history import History
from coralline_crawler.index import open_history
from coralline_crawler.record import FOLDER, KEPT, Record
from coralline_crawler.take_down import standing

from coralline.upkeep.inventory import QUARANTINE, READERS, SHARDS, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

    from coralline_core.progress import Progress
    from coralline_core.shards import Shard
    from coralline_core.store import Store
    from coralline_crawler.record import Visit

Image = tuple[str, str]
"""The label and the sha256."""


class Rescued(NamedTuple):
    """What became of the images of lost shards."""

    restored: frozenset[str] = frozenset()
    """Keys of shards that are again what they were, bit for bit."""
    saved: Mapping[str, Counter[str]] = MappingProxyType({})
    """By the key of any other one, which of its images are in another shard now: by label."""


def rescue(store: Store, lost: Collection[str], progress: Progress) -> Rescued:
    """Put what can be read of lost image shards, or is elsewhere, into new ones.

    A record says which shard stands in for which, and what is kept in it; the next crawl fetches
    the rest again. Images that somebody wanted gone are not saved.

    Args:
        store: Where. Damaged shards are in quarantine.
        lost: Keys of shards that are not there any more.
        progress: Hears how many records have been seen to.

    Raises:
        CorallineError: A record cannot be read, or the store cannot be written.
    """
    keys = list(store.list(FOLDER))
    opened = open_history(store).history
    # As it was before the loss: only so it says what the shards held.
    history = History(opened.visits, opened.entries, opened.there.union(lost))
    forgotten = Forgotten.read(store)
    elsewhere = _Elsewhere(store, lost)
    restored: set[str] = set()
    saved: dict[str, Counter[str]] = {}
    hurt = _hurt(history, lost)
    for place in progress.track(hurt, len(hurt), "records"):
        ((_, before),) = journal.read(store, Record, [keys[place]])
        gone = [shard.key for shard in before.shards if shard.key in lost]
        intact = [shard for shard in before.shards if shard.key not in lost]
        there = {image for shard in intact for image in _images(store, shard)}
        kept = [visit for visit in before.visits if visit.outcome == KEPT and history.live(place)]
        wanted = {one: visit for visit in kept if (one := _image(visit)) not in there}
        keyed = [image_key(*one) for one in wanted]
        held = {one for one, row in zip(wanted, opened.find_image(keyed), strict=True) if row >= 0}
        shards, images = _write_anew(store, gone, wanted, held, elsewhere, forgotten)
        same = {shard.key for shard in shards}.intersection(gone)
        restored |= same
        replaced = tuple(key for key in gone if key not in same)
        if replaced:
            safe = Counter(label for label, _ in held.union(images))
            saved |= dict.fromkeys(replaced, safe)
            visits = standing(history, forgotten, [image_key(*one) for one in (*there, *images)])
            record = Record(
                limits=before.limits,
                shards=(*shards, *intact),
                replaces=replaced,
                visits=tuple(visits),
            )
            journal.append(store, FOLDER, record)
    opened.visits.close()
    return Rescued(frozenset(restored), saved)


def proven_rows(store: Store, key: str, wanted: Set[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of an image shard that are what was written, whatever else is wrong with it.

    A row is, if its image has the sha256 that it names, and the pages of all other columns of its
    row group have their checksums. Images hardly compress: what changes in the bytes of one spoils
    that one, and seldom others.

    Args:
        store: Where.
        key: The shard's.
        wanted: The sha256 of those that are wanted; all by default.
    """
    said = ["image.path", *(name for name in rows.IMAGES.names if name != "image")]
    with store.open(key) as file, store.open(key) as again:
        try:
            checked = pq.ParquetFile(file, page_checksum_verification=True)
            unchecked = pq.ParquetFile(again)
        except UNREADABLE:
            return  # without its footer it is bytes
        if not checked.schema_arrow.equals(rows.IMAGES):
            return
        for group in range(checked.num_row_groups):
            try:
                table = checked.read_row_group(group, said)
                if wanted is not None and wanted.isdisjoint(table["sha256"].to_pylist()):
                    continue
                images = unchecked.read_row_group(group, ["image.bytes"])["image"]
            except UNREADABLE:
                continue
            for row, image in zip(table.to_pylist(), images, strict=True):
                data = image.as_py()["bytes"]
                if hashlib.sha256(data).hexdigest() == row["sha256"]:
                    yield {**row, "image": {"bytes": data, "path": row["image"]["path"]}}


class _Elsewhere:
    """The images of all other shards, which are looked for once something is missing."""

    def __init__(self, store: Store, lost: Collection[str]) -> None:
        self._store = store
        self._lost = frozenset(lost)

    def rows(self, wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The rows of those images, by sha256, that there are."""
        by_shard: defaultdict[str, set[str]] = defaultdict(set)
        for sha256 in wanted:
            if sha256 in self._places:
                by_shard[self._places[sha256]].add(sha256)
        return {
            row["sha256"]: row
            for key, some in by_shard.items()
            for row in proven_rows(self._store, key, some)
            if row["sha256"] in some
        }

    @cached_property
    def _places(self) -> dict[str, str]:
        keys = [key for key in self._store.list(SHARDS) if key not in self._lost]
        with ThreadPoolExecutor(READERS, "read") as pool:
            found = zip(keys, pool.map(self._names, keys), strict=True)
            return {sha256: key for key, names in found for sha256 in names}

    def _names(self, key: str) -> list[Any]:
        with self._store.open(key) as file:
            try:
                parquet = pq.ParquetFile(file, page_checksum_verification=True)
                if not parquet.schema_arrow.equals(rows.IMAGES):
                    return []
                names: list[Any] = parquet.read(["sha256"])["sha256"].to_pylist()
            except UNREADABLE:
                return []
        return names


def _write_anew(
    store: Store,
    gone: Sequence[str],
    wanted: dict[Image, Visit],
    held: Set[Image],
    elsewhere: _Elsewhere,
    forgotten: Forgotten,
) -> tuple[tuple[Shard, ...], list[Image]]:
    """Write the images of lost shards that can be had.

    Where these are all, in their order, the shard is the one that was lost, byte for byte. Where
    they are not, those that are `held` by another shard already are left out.

    Returns:
        The shard, if there is any, and what is in it.
    """
    copies = [copy for key in gone for copy in store.list(f"{QUARANTINE}{key}")]
    found = {
        (row["label"], row["sha256"]): row for one in copies for row in proven_rows(store, one)
    }
    missing = {sha256 for image in wanted if image not in found for sha256 in image[1:]}
    others = elsewhere.rows(missing) if missing else {}
    for image, visit in wanted.items():
        if image not in found and image[1] in others:
            found[image] = others[image[1]] | _said(visit)
    left_out = held if wanted.keys() - found.keys() else frozenset[Image]()
    images = []
    with ShardWriter(store, rows.IMAGES, shard_bytes=1 << 40) as writer:
        for image in wanted if missing else found:
            row = found.get(image) if image in wanted and image not in left_out else None
            if row is not None and not _is_forgotten(forgotten, row):
                writer.add(row)
                images.append(image)
    return tuple(writer.shards), images


def _said(visit: Visit) -> dict[str, Any]:
    """What a visit says of an image, as it is in a shard's row."""
    names = ("label", "query", "source", "page_url", "creator", "licence", "group")
    return {"image_url": visit.url, **{name: getattr(visit, name) for name in names}}


def _is_forgotten(forgotten: Forgotten, row: dict[str, Any]) -> bool:
    return forgotten.covers(url=row["image_url"], sha256=row["sha256"], page=row["page_url"])


def _images(store: Store, shard: Shard) -> list[Image]:
    table = read_table(store, shard, ["label", "sha256"])
    return [(row["label"], row["sha256"]) for row in table.to_pylist()]


def _image(visit: Visit) -> Image:
    return visit.label, visit.sha256 or ""


def _hurt(history: History, lost: Collection[str]) -> list[int]:
    """The places of records with a lost shard, for which no later record has another."""
    replaced = {key: place for place, one in enumerate(history.entries) for key in one.replaces}
    return [
        place
        for place, entry in enumerate(history.entries)
        if any(s.key in lost and replaced.get(s.key, -1) <= place for s in entry.shards)
    ]
