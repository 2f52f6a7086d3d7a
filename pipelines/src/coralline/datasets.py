"""The datasets of a store: named by the beginning of an id, and listed for people and machines."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal

from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.manifests import FOLDER, newest_first, read_manifest
from coralline_core.reports import Report
from coralline_publisher.champion import Champion
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.store import Store

SHORT = 8  # digits of an id that people are shown

_LABELS = 8  # of a dataset that the table names


class Entry(Report):
    """A dataset, without the names of its shards."""

    id: str
    kind: Literal["images", "curated", "crops"]
    written: datetime
    """When a run last came to it."""
    rows: int
    counts: dict[str, dict[str, int]]
    """Rows by label, then by split (`""` before there are splits)."""
    shards: int
    bytes: int
    """Of the shards and the selection that it names; other datasets may name the same ones."""
    parents: tuple[str, ...]
    champion: bool
    """Whether the champion was trained on it."""


class Listing(Report):
    """What there is, newest first."""

    datasets: tuple[Entry, ...]
    unreadable: dict[str, str]
    """By key, what is wrong with an object that is no manifest."""


def find(store: Store, prefix: str) -> Dataset:
    """The one dataset whose id begins so.

    Raises:
        CorallineError: There is none, there are several, or its manifest cannot be read.
    """
    keys = [key for key in store.list(f"{FOLDER}{prefix}") if key.endswith(".json")]
    whole = f"{FOLDER}{prefix}.json"
    if whole in keys:
        keys = [whole]
    if len(keys) != 1 or not prefix:
        ids = ", ".join(_id(key) for key in keys[:5])
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        raise CorallineError(
            f"{len(keys)} datasets begin with {prefix!r}: {ids}{more}"
            if keys
            else f"no dataset begins with {prefix!r}",
            where=store.uri,
            fix="Name more of the id." if keys else "See which there are: coralline datasets.",
        )
    found = read_manifest(store, keys[0], datetime.now(UTC))
    if found is None:
        raise CorallineError("the dataset has just been deleted", where=keys[0])
    return found.dataset


def parents(store: Store, dataset: Dataset) -> list[Dataset]:
    """The datasets that one was made from, as far as they are still there.

    Raises:
        CorallineError: A manifest cannot be read.
    """
    keys = [f"{FOLDER}{parent}.json" for parent in dataset.parents]
    return [find(store, _id(key)) for key in keys if store.stat(key) is not None]


def listing(store: Store, last: int | None = None) -> Listing:
    """The datasets of a store, newest first.

    Args:
        store: Where they are.
        last: Only so many.

    Raises:
        CorallineError: The store or its champion.json cannot be read.
    """
    champion, _ = Champion.load(store)
    datasets, unreadable = [], {}
    for written, key, read in islice(newest_first(store), last):
        if isinstance(read, str):
            unreadable[key] = read
            continue
        entry = Entry(
            id=_id(key),
            kind=read.kind,
            written=written,
            rows=len(read),
            counts=read.counts,
            shards=len(read.shards),
            bytes=sum(part.bytes for part in read.objects),
            parents=read.parents,
            champion=champion is not None and champion.dataset == _id(key),
        )
        datasets.append(entry)
    return Listing(datasets=tuple(datasets), unreadable=unreadable)


def table(entries: Iterable[Entry]) -> Table:
    """The entries as people read them."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("dataset", "kind", "written (UTC)"):
        made.add_column(name, no_wrap=True)
    made.add_column("rows", justify="right", no_wrap=True)
    made.add_column("train/validation/test", overflow="fold")
    made.add_column("size", justify="right", no_wrap=True)
    for name in ("from", ""):
        made.add_column(name, no_wrap=True)
    for entry in entries:
        made.add_row(
            entry.id[:SHORT],
            entry.kind,
            f"{entry.written:%Y-%m-%d %H:%M}",
            f"{entry.rows:,}",
            Text("\n".join(_labels(entry.counts))),  # other people's text, and no markup
            decimal(entry.bytes),
            " ".join(parent[:SHORT] for parent in entry.parents),
            Text("champion", "green") if entry.champion else "",
        )
    return made


def _labels(counts: dict[str, dict[str, int]]) -> list[str]:
    lines = []
    for label in sorted(counts)[:_LABELS]:
        by = counts[label]
        splits = [by.get(split, 0) for split in ("train", "validation", "test")]
        said = "/".join(map(str, splits)) if any(splits) else str(by.get("", 0))
        lines.append(f"{label} {said}")
    if len(counts) > _LABELS:
        lines.append(f"and {len(counts) - _LABELS} more labels")
    return lines


def _id(key: str) -> str:
    return key.removeprefix(FOLDER).removesuffix(".json")
