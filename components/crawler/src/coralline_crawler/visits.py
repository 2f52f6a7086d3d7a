"""All visits in a file and in memory, of which little is read at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from coralline_core.errors import CorallineError

from coralline_crawler.columns import NARROW, VISITS, WIDE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow.parquet as pq

    from coralline_crawler.history import Rows


class Visits:
    """All visits in the order of the records: `columns.VISITS`, of which the wide part stays out.

    Args:
        file: The older ones, all columns, as a Parquet file; None where there are none.
        recent: The newer ones, in memory.
        narrow: Of the file, if it has been read already.
    """

    def __init__(
        self,
        file: pq.ParquetFile | None,
        recent: Sequence[pa.Table],
        narrow: pa.Table | None = None,
    ) -> None:
        self._file = file
        self._recent = pa.concat_tables([VISITS.empty_table(), *recent])
        if narrow is None and file is not None:
            narrow = file.read(columns=NARROW.names).select(NARROW.names)
        self._older = narrow if narrow is not None else NARROW.empty_table()
        both = [self._older, self._recent.select(NARROW.names)]
        self.narrow: pa.Table = pa.concat_tables(both).unify_dictionaries()

    def and_then(self, tables: Iterable[pa.Table]) -> Visits:
        """The same, and after them those of more records."""
        return Visits(self._file, [self._recent, *tables], self._older)

    def strings(self, rows: Rows, columns: Sequence[str] = tuple(WIDE.names)) -> pa.Table:
        """The wide columns of some visits, in the order of `rows`.

        Only the row groups that hold any are read, one at a time.
        """
        rows = np.asarray(rows, np.int64)
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        split = np.searchsorted(wanted, self._older.num_rows)
        parts = [WIDE.empty_table().select(columns), *self._from_file(wanted[:split], columns)]
        newer: Any = wanted[split:] - self._older.num_rows
        parts.append(self._recent.select(columns).take(pa.array(newer)))
        back: Any = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return pa.concat_tables(parts).take(pa.array(back))

    def _from_file(self, rows: Rows, columns: Sequence[str]) -> Iterator[pa.Table]:
        if self._file is None:
            return
        about = self._file.metadata
        sizes = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        for group in np.unique(np.searchsorted(starts, rows, "right") - 1).tolist():
            start, stop = starts[group : group + 2]
            inside: Any = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)] - start
            try:
                table = self._file.read_row_group(group, columns=list(columns))
            except (pa.ArrowInvalid, OSError) as error:
                raise CorallineError(
                    f"the index is not what was written: {error}",
                    where="index/",
                    fix="Delete what is under it; it is made anew from the records.",
                ) from error
            yield table.select(columns).take(pa.array(inside))

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
