"""Datasets: manifests over immutable, content-addressed Parquet shards."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from coralline_core import rows
from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from coralline_core.store import Store

SHARD_BYTES = 64 << 20
ROW_GROUP_BYTES = 8 << 20


class Shard(Report):
    """One Parquet file in the store, named by its own sha256 and never changed."""

    key: str
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str


class Dataset(Report):
    """A manifest: which shards make a dataset, where they come from, and what is in them.

    Steps pass manifests, never the images: readers stream the shards from the store. `selection`,
    where there is one, is a small shard that names the rows which belong to the dataset. Crawled
    ones it names by sha256 and label, once for each group that they were seen in. Curated ones it
    names by sha256, and gives them their label, group and split; so curation copies no bytes.
    """

    schema_version: Literal[1] = 1
    kind: Literal["images", "curated", "crops"]
    shards: tuple[Shard, ...]
    selection: Shard | None = None
    counts: dict[str, dict[str, int]]
    """Rows by label, then by split (`""` before there are splits)."""
    parents: tuple[str, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """Sixteen hex digits of the sha256 over all that the manifest says.

        The order in which shards were written does not count: the same data has the same id.
        """
        content = self.model_dump(mode="json")
        content["shards"] = sorted(content["shards"], key=lambda shard: shard["key"])
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in order."""
        return tuple(sorted(self.counts))

    def __len__(self) -> int:
        return sum(sum(splits.values()) for splits in self.counts.values())

    def save(self, store: Store) -> str:
        """Keep the manifest in the store, under its id.

        Returns:
            The id.
        """
        store.put(f"datasets/{self.id}.json", self.model_dump_json(indent=1).encode())
        return self.id

    def batches(
        self, store: Store, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows, in the shards' order, a row group of about 8 MB at a time.

        Args:
            store: Where the shards are.
            columns: Which columns to read; all by default.
            split: Only the rows of one split.

        Raises:
            CorallineError: A shard is missing or cannot be read.
        """
        selection = None
        if self.selection:
            selection = _Selection.read(store, self.selection, by_label=self.kind == "images")
        for shard in self.shards:
            yield from _shard_batches(store, shard, columns, split, selection)

    def selected(self, store: Store) -> pa.Table:
        """The selection itself: `rows.SELECTION`; empty where there is none."""
        if self.selection is None:
            return rows.SELECTION.empty_table()
        return _read_whole(store, self.selection)

    def iter_rows(
        self, store: Store, columns: Sequence[str] | None = None, split: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of `batches`, one dict each."""
        for batch in self.batches(store, columns, split):
            for index in range(batch.num_rows):
                yield {name: batch.column(name)[index].as_py() for name in batch.schema.names}

    def table(self, store: Store, columns: Sequence[str]) -> pa.Table:
        """Some columns of every row at once: for metadata, not for images."""
        batches = list(self.batches(store, columns))
        schema = rows.CROPS if self.kind == "crops" else rows.IMAGES
        empty = pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_batches(batches, schema=None if batches else empty)


class ShardWriter:
    """Rows to content-addressed shards of about 64 MB.

    A shard is whole in the store once it is named by `shards`; memory holds one row group. Use as
    a context manager: leaving it writes what is left, unless by an error that is not an interrupt.

    Args:
        store: Where the shards go.
        schema: One of those in `coralline_core.rows`.
        shard_bytes: When to begin the next shard.
    """

    def __init__(self, store: Store, schema: pa.Schema, shard_bytes: int = SHARD_BYTES) -> None:
        self.shards: list[Shard] = []
        self.counts: dict[str, dict[str, int]] = {}
        self._store = store
        self._schema = schema
        self._shard_bytes = shard_bytes
        self._rows: list[Mapping[str, Any]] = []
        self._row_bytes = 0
        self._written = 0
        self._count = 0
        self._path: Path | None = None
        self._parquet: pq.ParquetWriter | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, a dict with the schema's columns; one that is left out is null."""
        image = row.get("image")
        self._rows.append(row)
        self._row_bytes += len(image["bytes"]) if image else 256
        splits = self.counts.setdefault(row["label"], {})
        split = row.get("split") or ""
        splits[split] = splits.get(split, 0) + 1
        if self._row_bytes >= min(ROW_GROUP_BYTES, self._shard_bytes):
            self._write_rows()
        if self._written >= self._shard_bytes:
            self.flush()

    def flush(self) -> Shard | None:
        """End the shard at hand and put it into the store.

        Returns:
            The shard, or None where no row was waiting.
        """
        self._write_rows()
        if self._parquet is None or self._path is None:
            return None
        self._parquet.close()
        path = self._path
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        key = f"shards/{digest}.parquet"
        self._store.put(key, path)
        shard = Shard(key=key, rows=self._count, bytes=path.stat().st_size, sha256=digest)
        self.shards.append(shard)
        self._discard()
        return shard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None or issubclass(kind, KeyboardInterrupt):
                self.flush()
        finally:
            self._discard()

    def _write_rows(self) -> None:
        if not self._rows:
            return
        if self._parquet is None:
            descriptor, name = tempfile.mkstemp(suffix=".parquet")
            os.close(descriptor)
            self._path = Path(name)
            # Images are compressed already; the dictionary and zstd serve the other columns.
            # The checksums of the pages find what a disk has changed, whoever reads them.
            self._parquet = pq.ParquetWriter(
                name, self._schema, compression="zstd", write_page_checksum=True
            )
        table = pa.Table.from_pylist([dict(row) for row in self._rows], schema=self._schema)
        self._parquet.write_table(table, row_group_size=table.num_rows)
        self._written += self._row_bytes
        self._count += len(self._rows)
        self._rows, self._row_bytes = [], 0

    def _discard(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._path = self._parquet = None
        self._rows, self._row_bytes, self._written, self._count = [], 0, 0, 0


def write_selection(store: Store, selected: Iterable[Mapping[str, str | None]]) -> Shard:
    """Put a selection (`rows.SELECTION`) into the store, in order."""
    columns = ("sha256", "label", "group")
    with ShardWriter(store, rows.SELECTION, shard_bytes=1 << 40) as writer:
        for row in sorted(selected, key=lambda row: tuple(row.get(name) or "" for name in columns)):
            writer.add(row)
    if not writer.shards:
        raise CorallineError("curation kept no image", fix="Crawl more, or loosen `curate:`.")
    return writer.shards[0]


class _Selection:
    """Which rows belong to a dataset, and their decided columns."""

    def __init__(self, table: pa.Table, by_label: bool) -> None:
        self._key = ("sha256", "label") if by_label else ("sha256",)
        self._decided = table.drop_columns(table.column_names if by_label else ["sha256"])
        self._index = {key: index for index, key in enumerate(self._keys(table))}

    @classmethod
    def read(cls, store: Store, shard: Shard, by_label: bool) -> _Selection:
        return cls(_read_whole(store, shard), by_label)

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of `batch` that are selected, each once, with the selection's columns.

        An image that two crawls wrote is in two rows, of which the first is taken.
        """
        found = [self._index.pop(key, -1) for key in self._keys(batch)]
        places = pa.array([at for at, index in enumerate(found) if index >= 0], pa.int64())
        kept = batch.take(places)
        decided = self._decided.take(pa.array([index for index in found if index >= 0], pa.int64()))
        arrays = {name: kept.column(name) for name in kept.schema.names}
        for name in set(self._decided.column_names) & set(arrays):
            arrays[name] = decided[name].combine_chunks()
        return pa.RecordBatch.from_pydict(arrays, schema=kept.schema)

    def _keys(self, table: pa.Table | pa.RecordBatch) -> list[tuple[str, ...]]:
        return list(zip(*(table.column(name).to_pylist() for name in self._key), strict=True))


def _read_whole(store: Store, shard: Shard) -> pa.Table:
    with store.open(shard.key) as file:
        parquet = _parquet(file, shard)
        try:
            return parquet.read()
        except (pa.ArrowInvalid, OSError) as error:
            raise _corrupt(shard, error) from error


def _shard_batches(
    store: Store,
    shard: Shard,
    columns: Sequence[str] | None,
    split: str | None,
    selection: _Selection | None,
) -> Iterator[pa.RecordBatch]:
    wanted = list(columns) if columns is not None else None
    needed = wanted and list(
        dict.fromkeys([*wanted, "sha256", "label", *(["split"] if split else [])])
    )
    with store.open(shard.key) as file:
        parquet = _parquet(file, shard)
        for group in range(parquet.num_row_groups):
            try:
                table = parquet.read_row_group(group, columns=needed)
            except (pa.ArrowInvalid, OSError) as error:
                raise _corrupt(shard, error) from error
            for batch in table.combine_chunks().to_batches():
                rows_ = selection.apply(batch) if selection else batch
                if split:
                    rows_ = rows_.filter(pc.equal(rows_.column("split"), pa.scalar(split)))
                if rows_.num_rows:
                    yield rows_.select(wanted) if wanted else rows_


def _parquet(file: BinaryIO, shard: Shard) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise _corrupt(shard, error) from error


def _corrupt(shard: Shard, error: Exception) -> CorallineError:
    what = f"the shard is not what was written: {' '.join(str(error).split()).rstrip('. ')}"
    return CorallineError(
        what, where=shard.key, fix="Delete it and run again: what it held is fetched or made anew."
    )
