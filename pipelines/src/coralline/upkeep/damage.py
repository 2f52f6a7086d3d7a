"""What is wrong with a store, as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.reports import Report
from pydantic import Field
from rich.filesize import decimal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Damage(Report):
    """An object that is not what was written."""

    key: str
    what: str
    """What is wrong with it."""
    images: dict[str, int] = Field(default_factory=dict)
    """By label, crawled images that are in it."""
    rows: int = 0
    """Of a shard with anything else: its rows."""
    datasets: tuple[str, ...] = ()
    """Ids of the manifests that cannot be read without it, each with its kind."""
    mended: bool = False
    then: str
    """What was done about it, or what there is to do."""

    def __str__(self) -> str:
        lines = [f"{self.key}: {self.what}"]
        if self.images:
            images = counted(sum(self.images.values()), "image")
            lines.append(f"  takes along {images}: {each_label(self.images)}")
        elif self.rows:
            lines.append(f"  takes along {counted(self.rows, 'row')}")
        if self.datasets:
            lines.append(f"  breaks {', '.join(self.datasets)}")
        return "\n".join([*lines, f"  {'done' if self.mended else 'to do'}: {self.then}"])


class VerifyReport(Report):
    """What was looked at, and what is wrong."""

    objects: int
    bytes: int
    """Read for their checksums."""
    quick: bool
    """Whether shards and models were only looked at for presence and size."""
    quarantine: dict[str, int]
    """Objects in quarantine, by the folder that they are from."""
    damages: tuple[Damage, ...]

    @property
    def well(self) -> bool:
        """Whether the store is whole, be it that it was mended."""
        return all(damage.mended for damage in self.damages)

    def __str__(self) -> str:
        looked = counted(self.objects, "object") + " looked at, "
        if self.quick:
            looked += "shards and models for presence and size only"
        else:
            looked += f"{decimal(self.bytes)} of them read"
        lines = [looked, *map(str, self.damages)]
        if self.quarantine:
            aside = (f"{count:,} of {folder}" for folder, count in sorted(self.quarantine.items()))
            lines.insert(1, f"in quarantine/: {', '.join(aside)}")
        if not self.damages:
            lines.append("nothing is missing" if self.quick else "all is well")
        return "\n".join(lines)


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def each_label(images: Mapping[str, int]) -> str:
    """`2 cat, 1 dog`."""
    return ", ".join(f"{count:,} {label}" for label, count in sorted(images.items()) if count)
