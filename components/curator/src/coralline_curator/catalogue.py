"""What is known of all photos, in columns: so that a curation looks at what has changed.

The catalogue is kept in the store, at `index/`. All of it comes from the images' selection, the
corrections and the splits: without it, or with one that does not fit, a curation takes everything
for new, and decides the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import tokenize
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from coralline_core.shards import Shard, read_table
from pydantic import TypeAdapter

from coralline_curator.splits import UNKNOWN, SplitLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coralline_core.dataset import Dataset
    from coralline_core.progress import Progress
    from coralline_core.store import Store
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

KEY = "index/curate.npz"
_VERSION = 1

ABSENT, KEPT, REPLACED, DISPUTED, DISCARDED = range(5)
NOTHING_SAID, NO_LABEL = -2, -1

_PHOTO: dict[str, tuple[Any, int]] = {
    "sha256": ("S64", 0),
    "key": (np.uint64, 0),  # key_of its sha256
    "phash": (np.uint64, 0),
    "pixels": (np.int32, 0),
    "shard": (np.int32, -1),  # place in `shards`
    "root": (np.int32, -1),  # the photo with the least sha256 of its group
    "status": (np.int8, ABSENT),
    "label": (np.int16, -1),  # place in `labels`: what a kept photo shows
    "split": (np.int8, UNKNOWN),  # a kept photo's
    "by": (np.int32, -1),  # of a replaced one, the photo that is kept; the first of a conflict
    "said": (np.int16, NOTHING_SAID),  # what people said: place in `labels`, or NO_LABEL
    "place": (np.int32, -1),  # of the segment of the curated selection that names it
    "named": (np.int32, -1),  # the shard that is named there
}
_FINDING: dict[str, tuple[Any, int]] = {
    "photo": (np.int32, -1),
    "label": (np.int16, -1),
    "url": (np.uint64, 0),
    "source": (np.uint64, 0),  # what the source calls its group, or else its page; 0: neither
    "segment": (np.int32, -1),  # place in `segments`
}
_COLUMNS = ("sha256", "phash", "width", "height", "label", "image_url", "page_url", "group")
_SAME = ("label", "url", "source")
_AT_ONCE = 32  # segments that are in memory as they are
_READERS = 16
# What numpy and zipfile raise of an archive in which any bit may be another.
_UNREADABLE = (
    *(EOFError, KeyError, OSError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
_SHARDS = TypeAdapter(list[Shard])


class Catalogue:
    """All photos that curations of a store have seen, and what was decided of each.

    Attributes:
        photos: Columns, one element a photo, in the order in which they came.
        findings: Columns, one element for each label, address and source of a photo.
        labels: What label codes stand for.
        segments: Keys of the segments of the images' selection that `findings` are from.
        shards: Keys of the shards that photos are in.
        selection: The curated selection's segments.
        of_labels: The labels of the dataset that was followed last.
        pictures: How the last report named photos, by their sha256.
        log: Where groups are.
    """

    def __init__(self) -> None:
        self.photos = {name: np.empty(0, kind) for name, (kind, _) in _PHOTO.items()}
        self.findings = {name: np.empty(0, kind) for name, (kind, _) in _FINDING.items()}
        self.labels: list[str] = []
        self.segments: list[str] = []
        self.shards: list[str] = []
        self.selection: tuple[Shard, ...] = ()
        self.of_labels: list[str] = []
        self.pictures: dict[str, dict[str, Any]] = {}
        self.log = SplitLog()

    def __len__(self) -> int:
        return len(self.photos["key"])

    @classmethod
    def load(cls, store: Store, distance: int, progress: Progress) -> Self:
        """The store's, if it fits and its selection is there; else an empty one.

        Args:
            store: Where it is.
            distance: The settings' `near_duplicate_distance`, by which it must have been made.
            progress: Hears of one that cannot be read.
        """
        catalogue = cls()
        if KEY not in store.list(KEY):
            return catalogue
        try:
            with store.open(KEY) as file, np.load(file) as arrays:
                told = json.loads(arrays["told"].tobytes())
                if (told["version"], told["distance"]) != (_VERSION, distance):
                    return catalogue
                catalogue.photos = {name: arrays[f"photo.{name}"] for name in _PHOTO}
                catalogue.findings = {name: arrays[f"finding.{name}"] for name in _FINDING}
                catalogue.labels = told["labels"]
                catalogue.segments = told["segments"]
                catalogue.shards = told["shards"]
                catalogue.of_labels = told["of_labels"]
                catalogue.pictures = told["pictures"]
                catalogue.selection = tuple(_SHARDS.validate_python(told["selection"]))
                catalogue.log = SplitLog(arrays["split.keys"], arrays["split.codes"], told["read"])
        except _UNREADABLE as error:
            progress.warn(f"{KEY} cannot be read, everything is compared anew: {error}")
            return cls()
        there = frozenset(store.list("shards/"))
        return catalogue if all(part.key in there for part in catalogue.selection) else cls()

    def save(self, store: Store, distance: int) -> None:
        """Put it into the store, in place of the one before."""
        told = {
            "version": _VERSION,
            "distance": distance,
            "labels": self.labels,
            "segments": self.segments,
            "shards": self.shards,
            "of_labels": self.of_labels,
            "pictures": self.pictures,
            "selection": _SHARDS.dump_python(list(self.selection), mode="json"),
            "read": self.log.read,
        }
        arrays: dict[str, Any] = {
            "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
            **{f"photo.{name}": column for name, column in self.photos.items()},
            **{f"finding.{name}": column for name, column in self.findings.items()},
            "split.keys": self.log.keys,
            "split.codes": self.log.splits,
        }
        file = io.BytesIO()
        np.savez(file, **arrays)
        store.put(KEY, file.getvalue())

    def follow(self, images: Dataset, store: Store) -> Indices:
        """Take over what an images dataset says, where it differs from the one before.

        Of it, only the segments that are new are read. A dataset without a selection is read from
        its shards.

        Returns:
            The photos of which something has changed: new ones, lost ones, and those that were
            found elsewhere.
        """
        now = {part.key: part for part in images.selection or images.shards}
        here = set(self.segments) if self.of_labels == list(images.labels) else set()
        self.of_labels = list(images.labels)
        gone = [
            place for place, key in enumerate(self.segments) if key not in now or key not in here
        ]
        leaving = np.isin(self.findings["segment"], gone)
        before = self.findings["photo"][leaving], self.identities(leaving, _SAME)
        self.findings = {name: column[~leaving] for name, column in self.findings.items()}
        self._forget_segments(gone)
        first = len(self.findings["photo"])
        coming = [part for key, part in now.items() if key not in here]
        moved = [
            self._read(store, coming[start : start + _AT_ONCE], images)
            for start in range(0, len(coming), _AT_ONCE)
        ]
        after = self.findings["photo"][first:], self.identities(slice(first, None), _SAME)
        different = np.setxor1d(before[1], after[1])
        changed = [photo[np.isin(same, different)] for photo, same in (before, after)]
        return np.unique(np.concatenate([*changed, *moved]))

    def hear(self, said: dict[str, str | None]) -> Indices:
        """Take over what people said of photos.

        Args:
            said: The label by the photo's sha256; one that the dataset lacks is as good as None.

        Returns:
            The photos of which something else was said before.
        """
        places = self.find_sha256(said)
        ours = [label if label in self.of_labels else None for label in said.values()]
        codes = _codes(self.labels, ours)  # -1 is NO_LABEL
        now = np.full(len(self), NOTHING_SAID, np.int16)
        now[places[places >= 0]] = codes[places >= 0]
        changed = np.flatnonzero(now != self.photos["said"])
        self.photos["said"] = now
        return changed

    def find(self, keys: NDArray[np.uint64]) -> Indices:
        """The photos with some keys; -1 where there is none."""
        if not len(self) or not len(keys):
            return np.full(len(keys), -1, np.int64)
        # Few are looked for among many: so the many are held against the few.
        sought, back = np.unique(keys, return_inverse=True)
        at = np.searchsorted(sought, self.photos["key"])
        at[at == len(sought)] = 0
        hits = np.flatnonzero(sought[at] == self.photos["key"])
        places = np.full(len(sought), -1, np.int64)
        places[at[hits]] = hits
        found: Indices = places[back]
        return found

    def find_sha256(self, names: Iterable[str]) -> Indices:
        """The photos with some sha256; -1 where there is none."""
        return self.find(_keys(names))

    def findings_of(self, photos: Indices) -> tuple[Indices, Indices]:
        """The findings of some photos: the place in `photos` of each one's, and which it is."""
        places = np.full(len(self), -1, np.int64)
        places[photos] = np.arange(len(photos))
        of_photo = places[self.findings["photo"]]
        finding = np.flatnonzero(of_photo >= 0)
        return of_photo[finding], finding

    def identities(
        self, findings: Any = slice(None), by: Sequence[str] = ("label", "url")
    ) -> NDArray[np.uint64]:
        """A number for each finding that it shares with those of the same photo alone.

        Args:
            findings: Which; all by default.
            by: In what else they are to be the same.
        """
        identity: NDArray[np.uint64] = self.photos["key"][self.findings["photo"][findings]]
        for name in by:
            mixed = self.findings[name][findings].astype(np.uint64) + np.uint64(1)
            identity = (identity ^ mixed) * np.uint64(0x9E37_79B9_7F4A_7C15)
            identity ^= identity >> np.uint64(29)
        return identity

    def present(self) -> NDArray[np.bool_]:
        """Which photos have a finding."""
        present = np.zeros(len(self), bool)
        present[self.findings["photo"]] = True
        return present

    def _read(self, store: Store, parts: Sequence[Shard], images: Dataset) -> Indices:
        """Add the findings of some segments, and the photos that are new.

        Returns:
            Those that are in another shard than before.
        """
        table, segment = self._rows(store, parts, images)
        names = ("sha256", "label", "image_url", "page_url", "group", "shard")
        columns: list[list[Any]] = [table[name].to_pylist() for name in names]
        shas, labels, urls, pages, groups, shards = columns
        keys = _keys(shas)
        _, once = np.unique(keys, return_index=True)
        once.sort()
        new = once[self.find(keys[once]) < 0]
        taken = table.select(["phash", "width", "height"]).take(new)
        sides = [taken[name].to_numpy().astype(np.int64) for name in ("width", "height")]
        _extend(
            self.photos,
            _PHOTO,
            sha256=np.array([shas[at].encode() for at in new.tolist()], "S64"),
            key=keys[new],
            phash=taken["phash"].to_numpy(),
            pixels=sides[0] * sides[1],
        )
        photo = self.find(keys)
        before = self.photos["shard"].copy()
        self.photos["shard"][photo] = _codes(self.shards, shards)
        sources = [group or page for group, page in zip(groups, pages, strict=True)]
        _extend(
            self.findings,
            _FINDING,
            photo=photo,
            label=_codes(self.labels, labels),
            url=_keys(url or "" for url in urls),
            source=np.array([key_of(source) if source else 0 for source in sources], np.uint64),
            segment=segment,
        )
        return np.flatnonzero(self.photos["shard"] != before)

    def _rows(
        self, store: Store, parts: Sequence[Shard], images: Dataset
    ) -> tuple[pa.Table, NDArray[np.int32]]:
        """The rows of some segments, of the dataset's labels, and each row's segment."""
        columns = [*_COLUMNS, *(["shard"] if images.selection else [])]
        with ThreadPoolExecutor(_READERS, "read") as pool:
            tables = list(pool.map(lambda part: read_table(store, part, columns), parts))
        if not images.selection:  # then a part is a shard itself
            for at, part in enumerate(parts):
                key = pa.array([part.key] * tables[at].num_rows, pa.string())
                tables[at] = tables[at].append_column("shard", key)
        codes = _codes(self.segments, [part.key for part in parts])
        segment = np.repeat(codes, [table.num_rows for table in tables])
        table = pa.concat_tables(tables)
        ours = pc.is_in(table["label"], value_set=pa.array(images.labels, pa.string()))
        return table.filter(ours), segment[ours.to_numpy()]

    def _forget_segments(self, gone: Sequence[int]) -> None:
        kept = [place for place in range(len(self.segments)) if place not in set(gone)]
        places = np.full(len(self.segments) + 1, -1, np.int32)
        places[kept] = np.arange(len(kept))
        self.findings["segment"] = places[self.findings["segment"]]
        self.segments = [self.segments[place] for place in kept]


def _extend(
    columns: dict[str, NDArray[Any]], kinds: dict[str, tuple[Any, int]], **added: NDArray[Any]
) -> None:
    """Make columns longer; those that nothing is said of get what stands for nothing."""
    count = len(next(iter(added.values())))
    for name, (kind, missing) in kinds.items():
        tail = added.get(name, np.full(count, missing, kind))
        columns[name] = np.concatenate([columns[name], tail.astype(kind)])


def _codes(known: list[str], values: Sequence[str | None]) -> NDArray[np.int32]:
    """The place of each value in `known`, to which new ones are added; -1 for None."""
    places = {value: place for place, value in enumerate(known)}
    for value in values:
        if value is not None and value not in places:
            places[value] = len(known)
            known.append(value)
    return np.array([-1 if value is None else places[value] for value in values], np.int32)


def key_of(name: str) -> int:
    """64 bits for a name: of the image with this sha256, or of a group that a source names so.

    By BLAKE2b. Of ten million names, two have the same in one of 400,000 stores.
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _keys(names: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([key_of(name) for name in names], np.uint64)
