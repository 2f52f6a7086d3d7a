"""What nobody needs any more, as it is found and told."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Self

from coralline_core.reports import Report
from rich.filesize import decimal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline.upkeep.inventory import Inventory

NAMING = ("manifests", "records of crops")
"""The kinds that name shards."""
_KINDS = (
    *NAMING,
    "images",
    "crops",
    "selections",
    "unreadable shards",
    "unfinished models",
    "runs of Jobs",
)


class Garbage(NamedTuple):
    """An object that may go."""

    kind: str
    key: str
    bytes: int


class Found(NamedTuple):
    """What may go, in the order in which it is deleted, and what was found with it."""

    garbage: tuple[Garbage, ...]
    young: int
    """Objects that stay because they are not old enough: a run may be about to name them."""
    before: datetime
    """When what goes must have been written before."""
    quarantined: int
    """Shards in quarantine, where what is forgotten is looked for: they may hold it."""
    inventory: Inventory


class Heap(Report):
    """Garbage of one kind."""

    objects: int
    bytes: int


class GcReport(Report):
    """What there was to delete."""

    deleted: bool
    """Whether it is gone; else nothing was touched."""
    garbage: dict[str, Heap]
    """By kind."""
    young: int
    """Objects that nobody needs and that stay, because they are not old enough."""
    before: datetime
    """When what goes must have been written before."""
    quarantined: int
    """Shards in quarantine, of which nothing is deleted, and which may hold what is forgotten."""
    swept: int
    """Unfinished writes that were removed."""

    @classmethod
    def of(cls, garbage: Iterable[Garbage], found: Found, *, deleted: bool, swept: int = 0) -> Self:
        """The report on some garbage of what was found."""
        objects: Counter[str] = Counter()
        size: Counter[str] = Counter()
        for one in garbage:
            objects[one.kind] += 1
            size[one.kind] += one.bytes
        heaps = {kind: Heap(objects=objects[kind], bytes=size[kind]) for kind in _KINDS}
        there = {kind: heap for kind, heap in heaps.items() if heap.objects}
        return cls(
            deleted=deleted,
            garbage=there,
            young=found.young,
            before=found.before,
            quarantined=found.quarantined,
            swept=swept,
        )

    def __str__(self) -> str:
        heaps = dict(self.garbage)
        if len(heaps) > 1:
            objects = sum(heap.objects for heap in heaps.values())
            heaps["together"] = Heap(objects=objects, bytes=sum(h.bytes for h in heaps.values()))
        lines = [f"{kind:<18}{h.objects:>9,}{decimal(h.bytes):>12}" for kind, h in heaps.items()]
        if self.swept:
            lines.append(f"{'unfinished writes':<18}{self.swept:>9,}")
        if not lines:
            lines.append("there is nothing to delete")
        elif not self.deleted:
            lines.append("nothing was deleted; to delete it: --delete")
        if self.young:
            some = "1 object stays" if self.young == 1 else f"{self.young:,} objects stay"
            when = f"{self.before:%Y-%m-%d %H:%M} UTC"
            lines.append(
                f"{some} that nobody needs, written after {when}: --older-than, "
                "and an hour for clocks that differ"
            )
        if self.quarantined:
            some = "1 shard" if self.quarantined == 1 else f"{self.quarantined:,} shards"
            lines.append(f"quarantine/ has {some}, where it may be, too: delete them yourself")
        return "\n".join(lines)
