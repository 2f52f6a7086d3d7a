"""The records of all crawls as one file: made from them, and made anew whenever it is missing.

`index/visits-<version>-<records>-<digest>.parquet` says what the first so many records say; the
digest is over their keys. Who opens a history reads it and the records after these. It is never
changed: once the records after it have a twentieth of its visits, or are many, there is another
one, so that of a crawl's cost little grows with the store. The last two are kept, as someone may be
reading.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from coralline_core import journal
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_crawler.columns import NARROW, VISITS, tabulate
from coralline_crawler.completed import completed
from coralline_crawler.history import Entry, History
from coralline_crawler.record import FOLDER, KEPT, SEEN, Record, Search
from coralline_crawler.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coralline_core.store import Store

_PREFIX = "index/visits-1-"
_FEW = 10_000  # visits that are read from the records anyway
_SHARE = 20
_MANY = 500  # records, likewise
_ROW_GROUP = 1 << 16
_AT_ONCE = 64  # records that are fetched before they are read
_ABOUT = b"coralline"  # the key of the Parquet file's own metadata

Place = tuple[str, str, str]
"""A source's identity, the label and the query."""


class Opened(NamedTuple):
    """All that the records say."""

    history: History
    searches: dict[Place, Search]
    """How deep each search has come."""


class _About(Report):
    entries: tuple[Entry, ...]
    searches: tuple[Search, ...]


def open_history(store: Store) -> Opened:
    """Read what all crawls came upon, and write the index anew where it has fallen behind.

    Raises:
        CorallineError: A record cannot be read.
    """
    keys = list(store.list(FOLDER))
    there = frozenset(store.list("shards/"))
    file, narrow, count, about = _newest(store, keys)
    entries = list(about.entries)
    searches = {place(search): search for search in about.searches}
    recent: list[pa.Table] = []
    older = file.metadata.num_rows if file else 0
    coming = _records(store, keys[count:], entries, searches)
    rows = 0
    for table in coming:
        recent.append(table)
        rows += table.num_rows
        if rows > max(_FEW, older // _SHARE) or len(recent) > _MANY:
            _write(store, keys, file, recent, coming, entries, searches)
            return open_history(store)
    return Opened(History(Visits(file, recent, narrow), entries, there), searches)


def place(search: Search) -> Place:
    """What a search is found by."""
    return search.source, search.label, search.query


def written_at(key: str) -> datetime:
    """When a record was written; its name begins with it."""
    try:
        time = datetime.strptime(PurePosixPath(key).stem.partition("-")[0], "%Y%m%dT%H%M%S.%f")
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time.replace(tzinfo=UTC)


def _records(
    store: Store, keys: Sequence[str], entries: list[Entry], searches: dict[Place, Search]
) -> Iterator[pa.Table]:
    """The visits of one record after the other; entries and searches are added to."""
    for start in range(0, len(keys), _AT_ONCE):
        for key, record in journal.read(store, Record, keys[start : start + _AT_ONCE]):
            limits = record.limits.model_dump_json()
            visits = completed(store, record)
            table = tabulate(visits, len(entries), limits, written_at(key))
            entries.append(Entry(shards=record.shards, replaces=record.replaces))
            searches |= {place(search): search for search in record.searches}
            yield table


def _newest(
    store: Store, keys: Sequence[str]
) -> tuple[pq.ParquetFile | None, pa.Table | None, int, _About]:
    """The index that says most of what these records say, and how many of them it covers."""
    for name in sorted(store.list(_PREFIX), reverse=True):
        count = int(PurePosixPath(name).stem.split("-")[2])
        if count <= len(keys) and name == _name(keys[:count]):
            file = store.open(name)
            try:
                parquet = pq.ParquetFile(file, page_checksum_verification=True)
                about = _About.model_validate_json((parquet.metadata.metadata or {})[_ABOUT])
                narrow = parquet.read(columns=NARROW.names).select(NARROW.names)
                return parquet, narrow, count, about
            except (pa.ArrowInvalid, OSError, KeyError, ValidationError):
                pass  # it says nothing that the records do not
            file.close()
    return None, None, 0, _About(entries=(), searches=())


def _write(
    store: Store,
    keys: Sequence[str],
    file: pq.ParquetFile | None,
    recent: Sequence[pa.Table],
    coming: Iterator[pa.Table],
    entries: Sequence[Entry],
    searches: dict[Place, Search],
) -> None:
    """Make the index of all records, a row group at a time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "index.parquet")
        with pq.ParquetWriter(
            path, VISITS, compression="zstd", compression_level=1, write_page_checksum=True
        ) as writer:
            for table in _grouped(chain(_older(file), recent, coming)):
                writer.write_table(table, row_group_size=_ROW_GROUP)
            about = _About(entries=tuple(entries), searches=tuple(searches.values()))
            writer.add_key_value_metadata({_ABOUT.decode(): about.model_dump_json()})
        if file is not None:
            file.close(force=True)
        name = _name(keys)
        store.put(name, path)
    before = [old for old in sorted(store.list(_PREFIX)) if old != name]
    for old in before[:-1]:
        store.delete(old)


def _older(file: pq.ParquetFile | None) -> Iterator[pa.Table]:
    """What of an index still counts: of each URL the last visit, and all that keep an image."""
    if file is None:
        return
    history = History(Visits(file, ()), (), ())
    counts = history.among("outcome", (KEPT, SEEN), np.arange(len(history)))
    counts[history.latest] = True
    start = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group).select(VISITS.names)
        yield table.filter(pa.array(counts[start : start + table.num_rows]))
        start += table.num_rows


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables that are large enough for a row group."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= _ROW_GROUP:
            yield pa.concat_tables(waiting).unify_dictionaries()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).unify_dictionaries()


def _name(keys: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    return f"{_PREFIX}{len(keys):09}-{digest}.parquet"
