"""Datasets: manifests over immutable, content-addressed Parquet shards."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from coralline_core import rows, selection
from coralline_core.reports import Report
from coralline_core.shards import Shard, ShardWriter, row_groups
from coralline_core.store.protocol import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coralline_core.store import Store

__all__ = ["Dataset", "Reader", "Shard", "ShardWriter"]

T = TypeVar("T")


class Dataset(Report):
    """A manifest: which shards make a dataset, where they come from, and what is in them.

    Steps pass manifests, never the images: readers stream the shards from the store. `selection`,
    where there is one, names the rows which belong to the dataset, in segments (see
    `coralline_core.selection`). Crawled ones it names by sha256 and label, once for each group that
    they were seen in. Curated ones it names by sha256, and gives them their label, group and split;
    so curation copies no bytes. Crops it names by their photo, and gives them the same.
    """

    schema_version: Literal[2] = 2
    kind: Literal["images", "curated", "crops"]
    shards: tuple[Shard, ...]
    selection: tuple[Shard, ...] = ()
    """Empty where all rows of the shards belong to the dataset."""
    counts: dict[str, dict[str, int]]
    """Rows by label, then by split (`""` before there are splits)."""
    parents: tuple[str, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    saved_at: datetime | None = None
    """When a run last came to it; None where it is not in a store, or has been since before this
    was written down."""

    @property
    def id(self) -> str:
        """Sixteen hex digits of the sha256 over all that the manifest says, but for `saved_at`.

        The order in which shards were written does not count: the same data has the same id.
        """
        content = self.model_dump(mode="json", exclude={"saved_at"})
        for part in ("shards", "selection"):
            content[part] = sorted(content[part], key=lambda shard: shard["key"])
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def objects(self) -> tuple[Shard, ...]:
        """All that it names: the shards, and the segments of the selection."""
        return (*self.shards, *self.selection)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in order."""
        return tuple(sorted(self.counts))

    def __len__(self) -> int:
        return sum(sum(splits.values()) for splits in self.counts.values())

    def save(self, store: Store, at: datetime | None = None) -> str:
        """Keep the manifest in the store, under its id.

        A run that comes to the same data again saves it again: then it is the newest once more.

        Args:
            store: Where.
            at: When a run came to it; now by default.

        Returns:
            The id.
        """
        saved = self.model_copy(update={"saved_at": at or datetime.now(UTC)})
        store.put(f"datasets/{self.id}.json", saved.model_dump_json(indent=1).encode())
        return self.id

    def written(self, modified: datetime) -> datetime:
        """When a run last came to it, by which datasets are newer or older.

        A copy of a store has the times at which it was copied, so what the manifest says counts;
        unless that is later than its object is old, as a clock was ahead.

        Args:
            modified: When its object was written, by the store's clock.
        """
        at = self.saved_at
        return at if at is not None and at < modified + RESOLUTION else modified

    def selected(self, store: Store, columns: Sequence[str] | None = None) -> pa.Table:
        """The selection itself: `rows.SELECTION`; empty where there is none.

        Args:
            store: Where it is.
            columns: Some of its columns; all by default.

        Raises:
            CorallineError: A segment is missing or cannot be read.
        """
        return selection.read(store, self.selection, columns)

    def reader(self, store: Store, only: pa.Table | None = None) -> Reader:
        """The dataset opened for reading, be it several times: the selection is read once.

        Args:
            store: Where its shards are.
            only: A part of the selection, to read instead of all of it.
        """
        return Reader(self, store, only)

    def batches(
        self, store: Store, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """See Reader."""
        return self.reader(store).batches(columns, split)

    def iter_rows(
        self, store: Store, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of `batches`, one dict each."""
        return self.reader(store).iter_rows(columns, split)

    def table(self, store: Store, columns: Sequence[str]) -> pa.Table:
        """Some columns of every row at once: for metadata, not for images."""
        batches = list(self.batches(store, columns))
        schema = rows.CROPS if self.kind == "crops" else rows.IMAGES
        empty = pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_batches(batches, schema=None if batches else empty)


_KEYS: dict[str, tuple[str, ...]] = {
    "images": ("sha256", "label"),
    "curated": ("sha256",),
    "crops": ("source_sha256",),
}
_DECIDED = {
    "images": (),
    "curated": ("label", "group", "split"),
    "crops": ("label", "group", "split"),
}


class Reader:
    """Streams the rows of a dataset from its shards.

    Args:
        dataset: The manifest.
        store: Where its shards are.
        only: A part of its selection, to read instead of all of it.

    Raises:
        CorallineError: The selection is missing or cannot be read.
    """

    def __init__(self, dataset: Dataset, store: Store, only: pa.Table | None = None) -> None:
        self._dataset = dataset
        self._store = store
        self._lookup = None
        self._shards = {shard.key: shard for shard in dataset.shards}
        if dataset.selection or only is not None:
            key, decided = _KEYS[dataset.kind], _DECIDED[dataset.kind]
            columns = ["sha256", "label", *decided[1:]]
            table = dataset.selected(store, columns) if only is None else only.select(columns)
            self._lookup = selection.Lookup(table, key, decided)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        shards: Iterable[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows, in the shards' order, a row group of about 8 MB at a time.

        The next row group is fetched meanwhile.

        Args:
            columns: Which columns to read; all by default.
            split: Only the rows of one split.
            shards: Only those in some of the shards, by key.

        Raises:
            CorallineError: A shard is missing or cannot be read.
        """
        lookup = self._lookup and self._lookup.again()
        wanted = None if columns is None else list(columns)
        chosen = self._shards if shards is None else [key for key in shards if key in self._shards]
        for batch in _ahead(
            batch
            for key in chosen
            for batch in row_groups(self._store, self._shards[key], self._needed(wanted, split))
        ):
            found = self._select(batch, lookup) if lookup else batch
            if split:
                found = found.filter(pc.equal(found.column("split"), pa.scalar(split)))
            if found.num_rows:
                yield found.select(wanted) if wanted else found

    def iter_rows(
        self,
        columns: Sequence[str] | None = None,
        split: str | None = None,
        shards: Iterable[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """The rows of `batches`, one dict each."""
        for batch in self.batches(columns, split, shards):
            for index in range(batch.num_rows):
                yield {name: batch.column(name)[index].as_py() for name in batch.schema.names}

    def _needed(self, wanted: list[str] | None, split: str | None) -> list[str] | None:
        if wanted is None:
            return None
        needed = [*wanted, *(["split"] if split else [])]
        if self._lookup:
            needed += [*_KEYS[self._dataset.kind], *_DECIDED[self._dataset.kind]]
            needed += ["box_label"] if self._dataset.kind == "crops" else []
        return list(dict.fromkeys(needed))

    def _select(self, batch: pa.RecordBatch, lookup: selection.Lookup) -> pa.RecordBatch:
        crops = self._dataset.kind == "crops"
        found, decided = lookup.find(batch, once=not crops)
        if crops:
            decided["label"] = pc.coalesce(found.column("box_label"), decided["label"])
        arrays = {name: decided.get(name, found.column(name)) for name in found.schema.names}
        return pa.RecordBatch.from_pydict(arrays, schema=found.schema)


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; each is made while the one before is at work elsewhere."""
    end = object()
    with ThreadPoolExecutor(1, "read") as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
