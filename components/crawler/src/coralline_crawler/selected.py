"""The dataset's selection: what changed since the last one is written, and nothing else.

`index/selection.parquet` says which images the last selection has, what it says of each, as a hash,
and in which segments. It may be deleted: the next selection is then written whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from coralline_core import rows
from coralline_core.dataset import Shard
from coralline_core.reports import Report
from coralline_core.selection import revise
from coralline_core.shards import read_table
from pydantic import ValidationError

from coralline_crawler.columns import hash64, image_key
from coralline_crawler.history import is_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_crawler.findings import Findings
    from coralline_crawler.history import History, Keys, Rows

_KEY = "index/selection.parquet"
_ABOUT = b"coralline"
_IDENTITY = ("sha256", "label", "group")


def select(store: Store, findings: Findings) -> tuple[Shard, ...]:
    """Write which images belong to the dataset: `rows.SELECTION`, a row for each of their groups.

    Returns:
        The segments, of which those without a change are the ones of the last selection.
    """
    history = findings.history
    keys, hashes = history["image"][findings.images], _said(findings)
    last = _Last.read(store, history.there)
    unchanged = last.has(keys, hashes)
    gone = ~is_among(last.keys, keys[unchanged])
    if unchanged.all() and not gone.any():
        return last.segments
    within = np.unique(last.places[gone])
    removed = [
        _rows_of(read_table(store, last.segments[place], _IDENTITY), last.keys[gone])
        for place in within
    ]
    segments = revise(
        store,
        last.segments,
        _table(store, findings, np.flatnonzero(~unchanged)),
        pa.concat_tables([rows.SELECTION.empty_table().select(_IDENTITY), *removed]),
        within=frozenset(within.tolist()),
    )
    last.then(store, segments, keys, hashes).write(store)
    return segments


class _About(Report):
    segments: tuple[Shard, ...]


class _Last(NamedTuple):
    """The last selection; arrays, a place an image and a segment that it is in."""

    segments: tuple[Shard, ...]
    keys: Keys
    """In order."""
    hashes: Keys
    places: NDArray[np.int32]

    @classmethod
    def read(cls, store: Store, there: frozenset[str]) -> Self:
        """What there is of it; nothing where it is missing, or one of its segments is."""
        nothing = cls((), np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.int32))
        stored = store.get(_KEY)
        if stored is None:
            return nothing
        try:
            table = pq.read_table(pa.BufferReader(stored.data), page_checksum_verification=True)
            about = _About.model_validate_json((table.schema.metadata or {})[_ABOUT])
            columns: list[Any] = [table[name].to_numpy() for name in ("key", "hash", "place")]
        except (pa.ArrowException, OSError, KeyError, ValueError, ValidationError):
            return nothing  # it says nothing that cannot be found out
        whole = {segment.key for segment in about.segments} <= there
        return cls(about.segments, *columns) if whole else nothing

    def has(self, keys: Keys, hashes: Keys) -> NDArray[np.bool_]:
        """By image, whether it was selected and the same was said of it."""
        if not len(self.keys):
            return np.zeros(len(keys), bool)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same: NDArray[np.bool_] = (self.keys[at] == keys) & (self.hashes[at] == hashes)
        return same

    def then(self, store: Store, segments: Sequence[Shard], keys: Keys, hashes: Keys) -> _Last:
        """The next one: what was in segments that stay is there still, the others are read."""
        now = {segment.key: place for place, segment in enumerate(segments)}
        places = np.array([now.get(segment.key, -1) for segment in self.segments], np.int32)
        stays = places[self.places] >= 0 if len(self.keys) else np.empty(0, bool)
        found = [self.keys[stays]]
        at = [places[self.places[stays]] if len(self.keys) else self.places]
        before = {segment.key for segment in self.segments}
        for segment in segments:
            if segment.key not in before:
                inside = np.unique(_keys(read_table(store, segment, _IDENTITY[:2])))
                found.append(inside)
                at.append(np.full(len(inside), now[segment.key], np.int32))
        all_keys, all_places = np.concatenate(found), np.concatenate(at)
        order = np.argsort(all_keys, kind="stable")
        all_keys = all_keys[order]
        return _Last(
            tuple(segments), all_keys, hashes[np.searchsorted(keys, all_keys)], all_places[order]
        )

    def write(self, store: Store) -> None:
        columns: dict[str, Any] = {"key": self.keys, "hash": self.hashes, "place": self.places}
        about = _About(segments=self.segments).model_dump_json()
        table = pa.table(columns).replace_schema_metadata({_ABOUT: about})
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="none", use_dictionary=False, write_page_checksum=True
        )
        store.put(_KEY, sink.getvalue().to_pybytes())


def _said(findings: Findings) -> Keys:
    """By image, a hash of all that the selection says of it."""
    history, images, links = findings.history, findings.images, findings.links
    shards = np.array([_shard_hash(entry.shards) for entry in history.entries], np.uint64)
    holding = history.find_image(history["image"][images])
    said = _mixed(history["key"][images]) + _mixed(
        shards[history["record"][holding]] + np.uint64(1)
    )
    said += _mixed(history["group_key"][images] + np.uint64(2))
    said += _mixed(history["page_key"][images] + np.uint64(3))
    places = np.searchsorted(history["image"][images], links.images)
    np.add.at(said, places, _mixed(links.groups + np.uint64(4)))
    return said


def _mixed(values: Keys) -> Keys:
    """Each value's bits spread over all 64 (the finaliser of SplitMix64, Steele et al., 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _shard_hash(shards: Sequence[Shard]) -> int:
    return hash64(*(shard.key for shard in shards))


def _table(store: Store, findings: Findings, places: NDArray[np.int64]) -> pa.Table:
    """The rows of some images, given by their places: one a group, or one without any."""
    history, links = findings.history, findings.links
    images = findings.images[places]
    keys = history["image"][images]
    holding = history.find_image(keys)
    texts = history.visits.strings(images, ("sha256", "url", "page_url", "group"))
    columns: dict[str, Any] = {
        "sha256": texts["sha256"],
        "label": pa.array(history.names["label"]).take(pa.array(history["label"][images])),
        "group": texts["group"],
        "split": pa.nulls(len(images), pa.string()),
        "phash": history.visits.strings(holding, ("phash",))["phash"],
        "width": history["width"][holding],
        "height": history["height"][holding],
        "image_url": texts["url"],
        "page_url": texts["page_url"],
        "shard": _shards(store, history, holding),
    }
    own = pa.table(columns, rows.SELECTION)

    linked = np.flatnonzero(is_among(links.images, keys))
    at = np.searchsorted(keys, links.images[linked])
    places_of: Any = at
    more = own.take(pa.array(places_of))
    place = rows.SELECTION.get_field_index("group")
    more = more.set_column(place, rows.SELECTION.field(place), _groups(findings, linked))
    alone = np.ones(len(images), bool)
    alone[at] = False
    said: Any = alone | (history["group_key"][images] != 0)
    return pa.concat_tables([own.filter(pa.array(said)), more])


def _shards(store: Store, history: History, holding: Rows) -> pa.Array[Any]:
    """The key of the shard that each image is in: its record's, which seldom has several."""
    records = history["record"][holding]
    first = [next((shard.key for shard in entry.shards), None) for entry in history.entries]
    keys: Any = np.array(first, object)[records]
    for record in np.unique(records).tolist():
        for shard in history.entries[record].shards[1:]:
            images = _keys(read_table(store, shard, _IDENTITY[:2]))
            keys[(records == record) & is_among(history["image"][holding], images)] = shard.key
    return pa.array(keys, pa.string())


def _groups(findings: Findings, linked: Rows) -> pa.Array[Any]:
    """The groups of some links."""
    links = findings.links
    by_visit = links.rows[linked] >= 0
    texts = findings.history.visits.strings(links.rows[linked][by_visit], ("group",))["group"]
    of_visits = iter(texts.to_pylist())
    keys = links.groups[linked].tolist()
    return pa.array(
        [
            next(of_visits) if said else links.named[key]
            for said, key in zip(by_visit, keys, strict=True)
        ],
        pa.string(),
    )


def _rows_of(table: pa.Table, keys: Keys) -> pa.Table:
    """Those rows of a segment that are about some images."""
    return table.filter(pa.array(is_among(_keys(table), keys)))


def _keys(table: pa.Table) -> Keys:
    pairs: Any = zip(table["label"].to_pylist(), table["sha256"].to_pylist(), strict=True)
    return np.fromiter((image_key(label, sha256) for label, sha256 in pairs), np.uint64)
