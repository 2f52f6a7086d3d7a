"""What became of every photo that was cut before, and which shards hold its crops."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from coralline_core import journal, rows
from coralline_core.reports import Report
from coralline_core.shards import Shard, ShardWriter, row_groups
from pydantic import Field, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Store
    from numpy.typing import NDArray

pc: Any = pyarrow.compute  # its stubs know few of its uses

REASONS = ("corrected", "no-box", "no-face", "too-small", "undecodable")

_COLUMNS: list[Any] = [
    ("sha256", pa.string()),
    ("crops", pa.int32()),  # those with the photo's label
    ("labelled", pa.string()),  # those whose box has a label: how many, by label, as JSON
    ("clipped", pa.int32()),  # drawn boxes that reach over the photo's borders
    *((reason, pa.int32()) for reason in REASONS),
    ("drawn", pa.string()),  # as of Outcome
    ("said", pa.string()),
    ("row", pa.uint64()),
    ("record", pa.int32()),  # which of the records tells of it
]
PHOTOS = pa.schema(_COLUMNS)
_SHARDS = TypeAdapter(list[list[Shard]])


class Outcome(Report):
    """What became of one photo."""

    sha256: str
    crops: int = 0
    labelled: dict[str, int] = Field(default_factory=dict)
    clipped: int = 0
    rejected: dict[str, int] = Field(default_factory=dict)
    drawn: str | None = None
    """What tells the boxes that people drew from others; None where there were none."""
    said: str | None = None
    """Likewise of what they said of its crops."""
    row: int = 0
    """What tells the shard that the photo was in from others; 0 where that is not known."""


class Record(Report):
    """An object under `crops/<fingerprint>/`: photos, and the shards with all of their crops."""

    schema_version: Literal[1] = 1
    shards: tuple[Shard, ...]
    photos: tuple[Outcome, ...]
    replaces: tuple[str, ...] = ()
    """Keys of records that count no longer: what of them still holds is told here."""


class Ledger:
    """All photos that were cut by the same settings.

    The records are the truth; `index/crops-2-<fingerprint>.parquet` has what they say in columns,
    and is made anew where it is lost. A record counts as a whole or not at all. Passed over is one
    that another replaces, one of whose shards is missing, and one that tells of a photo of which an
    earlier one tells or which is forgotten. Its photos are cut again, if no other tells of them.

    Args:
        store: Where the records are.
        fingerprint: Of all that crops depend on.
        forgotten: The sha256 of photos that must be in no dataset.
        progress: Hears of an index that cannot be read.
    """

    def __init__(
        self, store: Store, fingerprint: str, forgotten: Iterable[str], progress: Progress
    ) -> None:
        self.photos = PHOTOS.empty_table()
        self.ahead = False
        """Whether the index lacks some of it."""
        self._store = store
        self._folder = f"crops/{fingerprint}/"
        self._index = f"index/crops-2-{fingerprint}.parquet"
        self._records: list[str] = []
        self._shards: list[list[Shard]] = []
        self._load(progress)
        self._learn(forgotten)
        self._searched = 0

    def outdated(
        self, selected: pa.Table, places: Any, words: Mapping[str, Mapping[str, str]]
    ) -> Any:
        """The sha256 of photos in a selection that were cut by something that counts no more.

        People say something else of them; or their rows are in another shard now, and may say
        otherwise whom a photo is from: its crops say the same.

        Args:
            selected: Rows of `rows.SELECTION`.
            places: Of `places`.
            words: `drawn` and `said` as they are now, by the photo's sha256.
        """
        cut = pc.is_valid(places)
        at = places.filter(cut)
        held = self.photos["row"].take(at).to_numpy()
        now = row_codes(selected["shard"])[cut.to_numpy(zero_copy_only=False)]
        outdated = (held != now) & (held != 0) & (now != 0)
        for name, by_photo in words.items():
            recorded = self.photos[name]
            if by_photo or recorded.null_count < len(recorded):  # of a million, mostly none
                names = self.photos["sha256"].take(at)
                place = pc.index_in(names, value_set=pa.array(by_photo.keys(), pa.string()))
                wanted = pa.array(by_photo.values(), pa.string()).take(place)
                pair = (pc.fill_null(one, "") for one in (recorded.take(at), wanted))
                outdated |= pc.not_equal(*pair).to_numpy()
        return self.photos["sha256"].take(at.filter(pa.array(outdated)))

    def release(self, photos: Any) -> None:
        """Take it that some photos were never cut; the crops beside theirs are copied.

        Args:
            photos: The sha256 of each.
        """
        told = pc.is_in(self.photos["sha256"], value_set=_one(photos))
        for place in np.unique(self.photos["record"].filter(told).to_numpy()).tolist():
            mine = self.photos.filter(pc.equal(self.photos["record"], place))
            rest = mine.filter(pc.invert(pc.is_in(mine["sha256"], value_set=_one(photos))))
            with ShardWriter(self._store, rows.CROPS) as writer:
                for shard in self._shards[place]:
                    for batch in row_groups(self._store, shard):
                        stay = pc.is_in(batch["source_sha256"], value_set=_one(rest["sha256"]))
                        for row in batch.filter(stay).to_pylist():
                            writer.add(row)
            self.add(writer.shards, _outcomes(rest), replaces=(self._records[place],))

    def places(self, selected: pa.Table, before: Any = None) -> Any:
        """Where in `photos` those of a selection are; null for those that have not been cut.

        Args:
            selected: Rows of `rows.SELECTION`.
            before: What this said before photos were added: only they are looked for then.
        """
        names, known = selected["sha256"], self.photos["sha256"]
        if before is None:
            self._searched = len(known)
            return _one(pc.index_in(names, value_set=_one(known)))
        lacking = pc.is_null(before)
        first = self._searched
        added = pc.index_in(names.filter(lacking), value_set=_one(known.slice(first)))
        return pc.replace_with_mask(
            before, lacking, _one(pc.add(added, pa.scalar(first, pa.int32())))
        )

    def outcomes(self, selected: pa.Table, places: Any) -> pa.Table:
        """PHOTOS of those in a selection that have been cut, and what it says of them."""
        cut = pc.is_valid(places)
        found = self.photos.take(places.filter(cut))
        for name in ("label", "group", "split", "shard"):
            found = found.append_column(name, selected[name].filter(cut))
        return found

    def shards(self, outcomes: pa.Table) -> tuple[Shard, ...]:
        """Those with the crops of some photos, in the order in which they were made."""
        records = np.unique(outcomes["record"].to_numpy())
        return tuple(shard for record in records.tolist() for shard in self._shards[record])

    def add(
        self, shards: Sequence[Shard], photos: Sequence[Outcome], replaces: Sequence[str] = ()
    ) -> None:
        """Write a record.

        Args:
            shards: They are in the store, and hold the crops of these photos only.
            photos: What became of them.
            replaces: Keys of records that it stands in for.
        """
        record = Record(shards=tuple(shards), photos=tuple(photos), replaces=tuple(replaces))
        key = journal.append(self._store, self._folder, record)
        self._take([(key, record)])

    def save(self) -> None:
        """Write the index."""
        told = {"records": self._records, "shards": _SHARDS.dump_python(self._shards, mode="json")}
        table = self.photos.replace_schema_metadata({"told": json.dumps(told)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        self._store.put(self._index, sink.getvalue().to_pybytes())

    def _load(self, progress: Progress) -> None:
        if self._index not in self._store.list(self._index):
            return
        try:
            with self._store.open(self._index) as file:
                table = pq.ParquetFile(file, page_checksum_verification=True).read()
            told = json.loads((table.schema.metadata or {})[b"told"])
            photos = table.replace_schema_metadata().cast(PHOTOS)
            records, shards = told["records"], _SHARDS.validate_python(told["shards"])
            self.photos, self._records, self._shards = photos, records, shards
        except (pa.ArrowException, KeyError, OSError, TypeError, ValueError) as error:
            progress.warn(f"{self._index} cannot be read, and is made anew: {error}")

    def _learn(self, forgotten: Iterable[str]) -> None:
        """Take over the records that the index lacks, and drop those that do not count."""
        known = set(self._records)
        keys = [key for key in self._store.list(self._folder) if key not in known]
        self._take(journal.read(self._store, Record, keys))
        self._drop(self._lost())
        self._drop(self._with(forgotten))
        if keys:  # last: what a record that is dropped tells of, another may tell of
            self._drop(self._overlapping())

    def _lost(self) -> NDArray[Any]:
        """The records one of whose shards is missing."""
        there = frozenset(self._store.list("shards/"))
        lost = [
            place
            for place, shards in enumerate(self._shards)
            if any(shard.key not in there for shard in shards)
        ]
        return np.array(lost, np.int64)

    def _with(self, photos: Iterable[str]) -> NDArray[Any]:
        """The records that tell of some photos."""
        told = pc.is_in(self.photos["sha256"], value_set=pa.array(sorted(photos), pa.string()))
        return np.unique(self.photos["record"].filter(told).to_numpy())

    def _overlapping(self) -> NDArray[Any]:
        """The records that tell of a photo of which an earlier one tells, too."""
        codes = _one(self.photos["sha256"]).dictionary_encode().indices.to_numpy()
        records = self.photos["record"].to_numpy()
        first = np.full(int(codes.max(initial=-1)) + 1, len(self._records), np.int32)
        np.minimum.at(first, codes, records)
        return np.unique(records[records != first[codes]])

    def _take(self, records: Iterable[tuple[str, Record]]) -> None:
        told: list[dict[str, Any]] = []
        replaced: set[str] = set()
        for key, record in records:
            replaced |= set(record.replaces)
            place = len(self._records)
            self._records.append(key)
            self._shards.append(list(record.shards))
            self.ahead = True
            told += [
                {
                    **photo.model_dump(exclude={"rejected", "labelled"}),
                    "labelled": json.dumps(photo.labelled) if photo.labelled else None,
                    **{reason: photo.rejected.get(reason, 0) for reason in REASONS},
                    "record": place,
                }
                for photo in record.photos
            ]
        self.photos = pa.concat_tables([self.photos, pa.Table.from_pylist(told, PHOTOS)])
        places = [place for place, key in enumerate(self._records) if key in replaced]
        self._drop(np.array(places, np.int64))

    def _drop(self, records: NDArray[Any]) -> None:
        """Pass some records over: their shards hold crops that must not be in the dataset."""
        if len(records):
            self.photos = self.photos.filter(
                pa.array(~np.isin(self.photos["record"].to_numpy(), records))
            )


def row_codes(shards: Any) -> NDArray[np.uint64]:
    """What tells shards apart, by their keys: 64 bits for each; 0 where there is none."""
    keys = _one(shards).dictionary_encode()
    codes = [_code(key) for key in keys.dictionary.to_pylist()]
    at = pc.fill_null(keys.indices, len(codes)).to_numpy()
    found: NDArray[np.uint64] = np.array([*codes, 0], np.uint64)[at]
    return found


def _code(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _outcomes(photos: pa.Table) -> list[Outcome]:
    """Rows of PHOTOS as they were written down."""
    return [
        Outcome(
            **{name: row[name] for name in ("sha256", "crops", "clipped", "drawn", "said", "row")},
            labelled=json.loads(row["labelled"] or "{}"),
            rejected={reason: row[reason] for reason in REASONS if row[reason]},
        )
        for row in photos.to_pylist()
    ]


def _one(column: Any) -> Any:
    return column.combine_chunks()
