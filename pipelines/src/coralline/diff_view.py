"""A difference between two datasets, as people read it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from coralline.datasets import SHORT
from coralline.diff import HOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from coralline.diff import Change, Difference, How, LabelCounts

_DIGITS = 16  # of a sha256
_SIGNS = {"came": "+", "went": "-", "gained": "+", "lost": "-", "moved": ""}


def rendered(difference: Difference) -> Iterator[RenderableType]:
    """The counts by label, what it was made with, then the changes that are named."""
    before, after = difference.before[:SHORT], difference.after[:SHORT]
    yield _table(difference, before, after)
    for key, (old, new) in difference.settings.items():
        yield Text(f"{key}: {old} -> {new}")
    if difference.shards_before or difference.shards_after:
        yield Text(
            f"shards: {difference.shards_before} only in {before}, "
            f"{difference.shards_after} only in {after}"
        )
    if not any(_total(how, counts) for counts in difference.labels.values() for how in HOW):
        yield Text("no photo came, went or changed")
    for (how, label), changes in groupby(difference.changes, lambda one: (one.how, one.label)):
        shown = list(changes)
        total = _total(how, difference.labels[label])
        yield Text(f"\n{how}: {label} ({total})", "bold")
        yield from (_line(change) for change in shown)
        if total > len(shown):
            yield Text(f"  and {total - len(shown)} more, with --json", "dim")


def _table(difference: Difference, before: str, after: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(difference.kind, overflow="fold")
    for name in (before, after, *_SIGNS):
        table.add_column(name, justify="right", no_wrap=True)
    for label, counts in difference.labels.items():
        numbers = counts.model_dump()
        table.add_row(
            Text(label),
            f"{counts.before:,}",
            f"{counts.after:,}",
            *(f"{sign}{numbers[name]:,}" if numbers[name] else "" for name, sign in _SIGNS.items()),
        )
    return table


def _total(how: How, counts: LabelCounts) -> int:
    return {
        "came": counts.came,
        "went": counts.went,
        "relabelled": counts.gained,
        "moved": counts.moved,
    }[how]


def _line(change: Change) -> Text:
    said = [change.sha256[:_DIGITS]]
    if change.label_before != change.label:
        said.append(f"was {change.label_before}")
    if change.split_before != change.split:
        said.append(f"{change.split_before} -> {change.split}")
    elif change.split:
        said.append(change.split)
    said += filter(None, dict.fromkeys((change.image_url, change.page_url)))
    return Text("  " + "  ".join(said))
