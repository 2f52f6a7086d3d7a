"""What came, what went and what changed from one dataset to another, at the cost of the change."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from coralline_core import selection
from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from coralline_core.shards import read_table

from coralline.datasets import SHORT, parents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coralline_core.dataset import Dataset
    from coralline_core.shards import Shard
    from coralline_core.store import Store

How = Literal["came", "went", "relabelled", "moved"]
HOW: tuple[How, ...] = ("came", "went", "relabelled", "moved")

_PHOTO = ["sha256", "label"]
_COLUMNS = [*_PHOTO, "split", "image_url", "page_url", "shard"]


class Change(Report):
    """A photo of which the two datasets say something else."""

    how: How
    """`moved`: to another split, under the same label."""
    sha256: str
    label: str
    """In the newer dataset; of a photo that went, in the older one."""
    label_before: str
    split: str | None
    split_before: str | None
    image_url: str | None = None
    page_url: str | None = None


class LabelCounts(Report):
    """A label in both datasets."""

    before: int
    """Rows of the older one: images, or crops."""
    after: int
    came: int = 0
    """Photos."""
    went: int = 0
    gained: int = 0
    """Photos that had another label."""
    lost: int = 0
    """Photos that have another label now."""
    moved: int = 0
    """Photos that are in another split."""


class Difference(Report):
    """From the dataset `before` to the dataset `after`."""

    before: str
    after: str
    kind: str
    labels: dict[str, LabelCounts]
    settings: dict[str, tuple[Any, Any]]
    """By key, what they were made with, where that differs."""
    shards_before: int
    """Shards that only the older one names."""
    shards_after: int
    """Shards that only the newer one names."""
    changes: tuple[Change, ...]
    """In the order of HOW, of the label and of the sha256."""


def diff(store: Store, before: Dataset, after: Dataset, examples: int | None = None) -> Difference:
    """Compare two datasets of one kind.

    Segments that both name are passed over, and so are shards. Of two datasets of crops, the photos
    are compared: they are what comes and goes.

    Args:
        store: Where both are.
        before: The older one.
        after: The newer one.
        examples: Only so many changes of each kind and label are named; all by default.

    Raises:
        CorallineError: They are not of one kind, or cannot be read.
    """
    if before.kind != after.kind:
        raise CorallineError(
            f"{before.id[:SHORT]} is of kind {before.kind}, and {after.id[:SHORT]} of {after.kind}",
            where=store.uri,
            fix="Compare two of one kind: coralline datasets.",
        )
    changes = _Changes.between(store, before, after)
    shards = [{shard.key for shard in one.shards} for one in (before, after)]
    return Difference(
        before=before.id,
        after=after.id,
        kind=before.kind,
        labels=_counts(before, after, changes),
        settings={
            key: (before.settings.get(key), after.settings.get(key))
            for key in sorted(before.settings | after.settings)
            if before.settings.get(key) != after.settings.get(key)
        },
        shards_before=len(shards[0] - shards[1]),
        shards_after=len(shards[1] - shards[0]),
        changes=tuple(_told(store, (before, after), changes.first(examples))),
    )


class _Changes(NamedTuple):
    """Tables of `_COLUMNS`, with a row a photo.

    Where both datasets have it, the columns of the older one have names that end in ` before`.
    """

    came: pa.Table
    went: pa.Table
    relabelled: pa.Table
    moved: pa.Table

    @classmethod
    def between(cls, store: Store, before: Dataset, after: Dataset) -> _Changes:
        keys = [{part.key for part in _parts(one)} for one in (before, after)]
        older, newer = (
            _photos(store, one, [part for part in _parts(one) if part.key not in other])
            for one, other in ((before, keys[1]), (after, keys[0]))
        )
        both = older.join(newer, _PHOTO, join_type="inner", left_suffix=" before")
        went = older.join(newer, _PHOTO, join_type="left anti")
        came = newer.join(older, _PHOTO, join_type="left anti")
        if before.kind == "images":
            shared = [part for part in _parts(before) if part.key in keys[1]]
            went, came = _without_shared(store, shared, (went, after), (came, before))
        relabelled = _alone(went).join(
            _alone(came), "sha256", join_type="inner", left_suffix=" before"
        )
        other = relabelled.select(["sha256"])
        return cls(
            came=came.join(other, "sha256", join_type="left anti"),
            went=went.join(other, "sha256", join_type="left anti"),
            relabelled=relabelled,
            moved=both.filter(pc.not_equal(both["split before"], both["split"])),
        )

    def first(self, n: int | None) -> list[dict[str, Any]]:
        """The rows with `how`, of each kind and label not more than n."""
        found = []
        for how, table in zip(HOW, self, strict=True):
            seen: Counter[str] = Counter()
            for batch in table.sort_by(
                [("label", "ascending"), ("sha256", "ascending")]
            ).to_batches():
                for row in batch.to_pylist():
                    seen[row["label"]] += 1
                    if n is None or seen[row["label"]] <= n:
                        found.append({"how": how, **row})
        return found


def _parts(dataset: Dataset) -> tuple[Shard, ...]:
    """What names the rows: the selection's segments, or else the shards."""
    return dataset.selection or dataset.shards


def _photos(store: Store, dataset: Dataset, parts: Sequence[Shard]) -> pa.Table:
    """The photos that some parts name, each once a label: `_COLUMNS`."""
    if dataset.selection:
        found = selection.read(store, parts, _COLUMNS)
    else:
        name = "source_sha256" if dataset.kind == "crops" else "sha256"
        columns = [name, *_COLUMNS[1:-1]]
        found = pa.concat_tables(
            [
                selection.read(store, (), _COLUMNS),
                *(
                    read_table(store, part, columns)
                    .rename_columns({name: "sha256"})
                    .append_column("shard", pa.array([part.key] * part.rows, pa.string()))
                    for part in parts
                ),
            ]
        )
    rest = [name for name in _COLUMNS if name not in _PHOTO]
    once = found.group_by(_PHOTO, use_threads=False).aggregate([(name, "first") for name in rest])
    return once.rename_columns({f"{name}_first": name for name in rest})


def _without_shared(
    store: Store, shared: Sequence[Shard], *found: tuple[pa.Table, Dataset]
) -> list[pa.Table]:
    """The photos that no shared part names, too.

    An image has a row for each group that it was seen in, and some of them may be in a part that
    did not change. That cannot be where the other dataset lacks the image's shard; only if some are
    left are the names in the shared parts read.
    """
    doubtful = [
        table.filter(pc.is_in(table["shard"], pa.array([s.key for s in other.shards], pa.string())))
        for table, other in found
    ]
    if not any(table.num_rows for table in doubtful):
        return [table for table, _ in found]
    there = selection.read(store, shared, _PHOTO)
    return [table.join(there, _PHOTO, join_type="left anti") for table, _ in found]


def _alone(table: pa.Table) -> pa.Table:
    """The photos that are there under one label only."""
    counts = pc.value_counts(table["sha256"])
    alone = counts.filter(pc.equal(counts.field("counts"), pa.scalar(1)))
    return table.filter(pc.is_in(table["sha256"], value_set=alone.field("values")))


def _counts(before: Dataset, after: Dataset, changes: _Changes) -> dict[str, LabelCounts]:
    def tally(table: pa.Table, column: str = "label") -> Counter[str]:
        return Counter(map(str, table[column].to_pylist()))

    by = {
        "came": tally(changes.came),
        "went": tally(changes.went),
        "gained": tally(changes.relabelled),
        "lost": tally(changes.relabelled, "label before"),
        "moved": tally(changes.moved),
    }
    labels = sorted({*before.counts, *after.counts}.union(*by.values()))
    return {
        label: LabelCounts(
            before=sum(before.counts.get(label, {}).values()),
            after=sum(after.counts.get(label, {}).values()),
            **{name: counts[label] for name, counts in by.items()},
        )
        for label in labels
    }


def _told(
    store: Store, datasets: Sequence[Dataset], found: Sequence[dict[str, Any]]
) -> list[Change]:
    addresses = _addresses(store, datasets, [row for row in found if row["image_url"] is None])
    changes = []
    for row in found:
        known = addresses.get(row["sha256"], row)
        change = {
            "how": row["how"],
            "sha256": row["sha256"],
            "label": row["label"],
            "label_before": row.get("label before", row["label"]),
            "split": row["split"],
            "split_before": row.get("split before", row["split"]),
            "image_url": known["image_url"],
            "page_url": known["page_url"],
        }
        changes.append(Change.model_validate(change))
    return changes


def _addresses(
    store: Store, datasets: Sequence[Dataset], found: Iterable[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """By their sha256, where photos are from: it is written in their shards, and read there."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for row in found:
        if row["shard"]:
            wanted[row["shard"]].add(row["sha256"])
    named = [*datasets, *(parent for one in datasets for parent in parents(store, one))]
    shards = {shard.key: shard for one in named for shard in one.shards}
    addresses: dict[str, dict[str, Any]] = {}
    for key in sorted(wanted.keys() & shards.keys()):
        if store.stat(key) is None:  # of what was taken down, the address is gone, too
            continue
        table = read_table(store, shards[key], ["sha256", "image_url", "page_url"])
        ours = table.filter(pc.is_in(table["sha256"], pa.array(sorted(wanted[key]))))
        addresses.update({row["sha256"]: row for row in ours.to_pylist()})
    return addresses
