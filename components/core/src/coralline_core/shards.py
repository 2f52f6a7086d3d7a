"""Shards: immutable Parquet files in the store, named by their own content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
        self._failure: CorallineError | None = None

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
        path = self._path
        with self._temporary_file():
            self._parquet.close()
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
        table = pa.Table.from_pylist([dict(row) for row in self._rows], schema=self._schema)
        with self._temporary_file():
            if self._parquet is None:
                descriptor, name = tempfile.mkstemp(suffix=".parquet")
                os.close(descriptor)
                self._path = Path(name)
                self._parquet = pq.ParquetWriter(name, self._schema, **_FORMAT)
            self._parquet.write_table(table, row_group_size=table.num_rows)
        self._written += self._row_bytes
        self._count += len(self._rows)
        self._rows, self._row_bytes = [], 0

    @contextmanager
    def _temporary_file(self) -> Iterator[None]:
        """Says what failed, and the same again whenever the shard is tried again: it is broken."""
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            self._failure = CorallineError(
                f"cannot write a temporary file: {why}",
                where=tempfile.gettempdir(),
                fix="Free some space there, or set TMPDIR, and run again; what is stored is kept.",
            )
            raise self._failure from error

    def _discard(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._path = self._parquet = None
        self._rows, self._row_bytes, self._written, self._count = [], 0, 0, 0


# Images are compressed already; the dictionary and zstd serve the other columns. The checksums of
# the pages find what a disk has changed, whoever reads them.
_FORMAT: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}


def write_table(store: Store, table: pa.Table) -> Shard:
    """Put a small table into the store as a shard of its own."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **_FORMAT)
    data = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(data).hexdigest()
    key = f"shards/{digest}.parquet"
    store.put(key, data)
    return Shard(key=key, rows=table.num_rows, bytes=len(data), sha256=digest)


def read_table(store: Store, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole shard, or some columns of it: for metadata, not for images.

    Raises:
        CorallineError: The shard is missing or not what was written.
    """
    with open_shard(store, shard) as parquet:
        return parquet.read(columns=None if columns is None else list(columns))


def row_groups(
    store: Store, shard: Shard, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, a row group of about 8 MB at a time.

    Raises:
        CorallineError: The shard is missing or not what was written.
    """
    names = None if columns is None else list(columns)
    with open_shard(store, shard) as parquet:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=names)
            yield from table.combine_chunks().to_batches()


@contextmanager
def open_shard(store: Store, shard: Shard) -> Iterator[pq.ParquetFile]:
    """A shard as a Parquet file, whose pages are held against their checksums as they are read.

    Raises:
        CorallineError: The shard is missing or not what was written; on reading from it, too.
    """
    with store.open(shard.key) as file:
        try:
            yield pq.ParquetFile(file, page_checksum_verification=True)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            why = " ".join(str(error).split()).rstrip(". ")
            raise CorallineError(
                f"the shard is not what was written: {why}",
                where=shard.key,
                fix="See what it takes along, and put it right: coralline verify --repair.",
            ) from error
