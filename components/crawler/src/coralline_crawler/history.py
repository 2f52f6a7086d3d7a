"""What all crawls into a store came upon, in columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from coralline_core.dataset import Shard
from coralline_core.reports import Report

from coralline_crawler.columns import NARROW
from coralline_crawler.record import KEPT, SEEN, WITH_IMAGE, Visit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from coralline_crawler.licences import Allowed
    from coralline_crawler.visits import Visits

    Rows = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Keys = NDArray[np.uint64]


class Entry(Report):
    """What of a record is not about single URLs."""

    shards: tuple[Shard, ...] = ()
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """A text for each of many things, as codes."""

    codes: NDArray[Any]
    names: list[str]

    def __getitem__(self, places: Any) -> Texts:
        """The texts of some."""
        return Texts(self.codes[places], self.names)

    def counts(self) -> dict[str, int]:
        """How often there is each, the most frequent first."""
        counts = np.bincount(self.codes, minlength=len(self.names))
        order = np.argsort(-counts, kind="stable")
        return {self.names[code]: int(counts[code]) for code in order if counts[code]}


class History:
    """Visits, and what follows from them and from the shards that there are.

    A row is the place of a visit among all; arrays that are called rows hold such places.

    Args:
        visits: Of all records.
        entries: The records, in order.
        there: The keys of the shards in the store.
        before: The same but for the last records, which replace no shards: it spares much sorting.
    """

    def __init__(
        self,
        visits: Visits,
        entries: Sequence[Entry],
        there: Collection[str],
        before: History | None = None,
    ) -> None:
        self.visits = visits
        self.entries = entries
        self.there = frozenset(there)
        """The keys of the shards in the store."""
        self._live = _live(entries, self.there)
        self._before = before
        self.names: dict[str, list[str]] = {}
        """The texts that the codes of a column stand for."""
        self._columns: dict[str, NDArray[Any]] = {}
        for name in NARROW.names:
            column: Any = visits.narrow[name].combine_chunks()
            if pa.types.is_dictionary(column.type):
                self.names[name] = column.dictionary.to_pylist()
                column = column.indices
            self._columns[name] = column.to_numpy(zero_copy_only=False)

    def __len__(self) -> int:
        return self.visits.narrow.num_rows

    def __getitem__(self, column: str) -> NDArray[Any]:
        """A narrow column of all visits; of texts, their codes."""
        return self._columns[column]

    def code(self, column: str, text: str) -> int:
        """What stands for a text; -1 where no visit has it."""
        names = self.names[column]
        return names.index(text) if text in names else -1

    def codes(self, column: str, texts: Iterable[str]) -> Mask:
        """By code, whether it stands for one of some texts."""
        wanted = frozenset(texts)
        return np.array([name in wanted for name in self.names[column]], bool)

    def among(self, column: str, texts: Iterable[str], rows: Rows) -> Mask:
        """By row, whether the column has one of some texts."""
        among: Mask = self.codes(column, texts)[self[column][rows]]
        return among

    def texts(self, column: str, rows: Rows) -> Texts:
        """By row, what a column says."""
        return Texts(self[column][rows], self.names[column])

    def allowed(self, licences: Allowed, rows: Rows) -> Mask:
        """By row, whether its licence is one of those that a project takes."""
        by_code = np.array([name in licences for name in self.names["licence"]], bool)
        allowed: Mask = by_code[self["licence"][rows]]
        return allowed

    @cached_property
    def latest(self) -> Rows:
        """The last visit of each label and URL, in the order of their keys."""
        new = len(self._before) if self._before else 0
        said = new + np.flatnonzero(self["outcome"][new:] != self.code("outcome", SEEN))
        return self._merged("key", self._before.latest if self._before else said[:0], said)

    @cached_property
    def kept(self) -> Rows:
        """All visits that keep an image in a shard which counts."""
        kept = self["outcome"] == self.code("outcome", KEPT)
        return np.flatnonzero(kept & self._live[self["record"]])

    @cached_property
    def holding(self) -> Rows:
        """Of these the last one of each image, in the order of the images."""
        if self._before is None:
            return self._merged("image", self.kept[:0], self.kept)
        new = self.kept[np.searchsorted(self.kept, len(self._before)) :]
        return self._merged("image", self._before.holding, new)

    @cached_property
    def lost(self) -> list[str]:
        """Shards that records name and the store lacks, though no other record stands for them."""
        replaced = {key for entry in self.entries for key in entry.replaces}
        named = [shard.key for entry in self.entries for shard in entry.shards]
        return [key for key in dict.fromkeys(named) if key not in self.there | replaced]

    def find(self, keys: Sequence[int] | Keys) -> Rows:
        """The last visit of each key; -1 where there is none."""
        return find_in(self._latest_keys, self.latest, np.asarray(keys, np.uint64))

    def find_image(self, images: Sequence[int] | Keys) -> Rows:
        """The visit that holds each image; -1 where none does."""
        return find_in(self._held, self.holding, np.asarray(images, np.uint64))

    def has_image(self, rows: Rows) -> Mask:
        """By row, whether the visit has an image that a shard which counts holds."""
        has = self.among("outcome", WITH_IMAGE, rows)
        kept = self["outcome"][rows] == self.code("outcome", KEPT)
        sure = kept & self._live[self["record"][rows]]
        unsure = np.flatnonzero(has & ~sure)  # few, and so a million are not looked up
        has[unsure] = self.find_image(self["image"][rows[unsure]]) >= 0
        return has

    def marked(self, rows: Rows) -> Mask:
        """Of every visit, whether it is one of some rows."""
        marked = np.zeros(len(self), bool)
        marked[rows] = True
        return marked

    def seen(self, keys: Sequence[int]) -> dict[int, set[tuple[str, int]]]:
        """By which queries and in which groups URLs of a label were seen again, by their keys."""
        rows = np.flatnonzero(self["outcome"] == self.code("outcome", SEEN))
        rows = rows[is_among(self["key"][rows], np.array(keys, np.uint64))]
        found: dict[int, set[tuple[str, int]]] = {}
        for row in rows:
            way = self.names["query"][self["query"][row]], int(self["group_key"][row])
            found.setdefault(int(self["key"][row]), set()).add(way)
        return found

    def live(self, place: int) -> bool:
        """Whether what a record keeps counts: its shards are there, and none is replaced."""
        return bool(self._live[place])

    def shards(self, rows: Rows) -> list[Shard]:
        """The shards in which visits keep images, oldest first."""
        records = np.unique(self["record"][rows])
        return [shard for record in records for shard in self.entries[record].shards]

    def read(self, rows: Rows) -> list[Visit]:
        """Some visits as they were written down; few, as each is an object."""
        found = []
        for row, strings in zip(rows, self.visits.strings(rows).to_pylist(), strict=True):
            texts = {name: names[self[name][row]] for name, names in self.names.items()}
            del texts["limits"]
            numbers = {
                name: self[name][row].item()
                for name in ("rank", "tries", "width", "height", "sharpness")
            }
            at = self["checked_at"][row].item().replace(tzinfo=UTC)
            visit = {**texts, **numbers, **strings, "checked_at": at}
            found.append(Visit.model_validate({**visit, "licence": texts["licence"] or None}))
        return found

    def _merged(self, column: str, before: Rows, rows: Rows) -> Rows:
        """The last row for each value, in the values' order: what that was before, and new rows."""
        values = self[column]
        last = _last_of_each(values, rows)
        if not len(before):
            return last
        at = np.searchsorted(values[before], values[last])
        there = values[before[np.minimum(at, len(before) - 1)]] == values[last]
        merged = before.copy()
        merged[at[there]] = last[there]
        return np.insert(merged, at[~there], last[~there])

    @cached_property
    def _latest_keys(self) -> Keys:
        return self["key"][self.latest]

    @cached_property
    def _held(self) -> Keys:
        return self["image"][self.holding]


def _live(entries: Sequence[Entry], there: Collection[str]) -> Mask:
    """By record, whether what it keeps counts: all its shards are there, and none is replaced."""
    replaced = {key: place for place, entry in enumerate(entries) for key in entry.replaces}
    return np.array(
        [
            all(s.key in there and replaced.get(s.key, -1) <= place for s in entry.shards)
            for place, entry in enumerate(entries)
        ],
        bool,
    )


def _last_of_each(values: NDArray[np.uint64], rows: Rows) -> Rows:
    """Of the rows with the same value the last, in the order of the values."""
    order = rows[np.argsort(values[rows], kind="stable")]
    ordered = values[order]
    last = np.ones(len(order), bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    return order[last]


def find_in(sorted_values: Keys, rows: Rows, wanted: Keys) -> Rows:
    """The row that stands beside each value; -1 where the values do not have it."""
    if not len(rows):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(sorted_values, wanted), len(rows) - 1)
    return np.where(sorted_values[at] == wanted, rows[at], -1)


def is_among(values: Keys, wanted: Keys) -> Mask:
    """By value, whether it is one of those wanted; quicker than `np.isin`, if they are few."""
    ordered = np.sort(wanted)
    return find_in(ordered, np.arange(len(ordered)), values) >= 0
