"""What people said of images: this is one of that label, or of none."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from coralline_core import journal
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coralline_core.store import Store

FOLDER = "corrections/"

Box = tuple[int, int, int, int]
"""Left, top, width and height of a crop, px in its photo."""

_SAME = 0.3  # of two faces beside each other the boxes overlap less; those of one face, more


class CropOf(Report):
    """A crop, by what it is of: so that it is known when it is cut anew."""

    photo: str
    """The photo's sha256."""
    box: Box


class Correction(Report):
    """An object under `corrections/`, never changed; of two about one thing the later counts.

    What is said of a crop counts for it whatever is said of its photo. What is taken back was never
    said: what was said before it counts again, or else the label that was found.
    """

    schema_version: Literal[1] = 1
    images: tuple[str, ...]
    """The sha256 of each photo that it is about."""
    crops: tuple[CropOf, ...] = ()
    """Single crops that it is about; their photos' others stay as they are."""
    label: str | None
    """What they show; None: none of the project's labels, so that they are left out."""
    who: str | None = None
    why: str | None = None
    at: datetime
    takes_back: tuple[str, ...] = ()
    """Keys of corrections that count no more. Taking back cannot be taken back: say it again."""
    act: str | None = None
    """What its writer calls it, to know it again where no answer came."""


def record(store: Store, correction: Correction) -> str:
    """Keep a correction; any number of people may at once.

    Returns:
        Its key.
    """
    return journal.append(store, FOLDER, correction)


def standing(store: Store) -> Iterator[tuple[str, Correction]]:
    """What people said and nobody has taken back: each with its key, in the order of time.

    Raises:
        CorallineError: A correction cannot be read.
    """
    all_of_them = list(journal.read(store, Correction, store.list(FOLDER)))
    taken_back = {key for _, correction in all_of_them for key in correction.takes_back}
    for key, correction in all_of_them:
        if key not in taken_back and (correction.images or correction.crops):
            yield key, correction


def corrected(store: Store) -> dict[str, str | None]:
    """The label that people gave, by the photo's sha256.

    Raises:
        CorallineError: A correction cannot be read.
    """
    labels: dict[str, str | None] = {}
    for _, correction in standing(store):
        labels.update(dict.fromkeys(correction.images, correction.label))
    return labels


def corrected_crops(store: Store) -> dict[str, dict[Box, str | None]]:
    """The labels that people gave single crops, by the photo's sha256 and in the order of time.

    Raises:
        CorallineError: A correction cannot be read.
    """
    labels: dict[str, dict[Box, str | None]] = {}
    for _, correction in standing(store):
        for crop in correction.crops:
            boxes = labels.setdefault(crop.photo, {})
            boxes.pop(crop.box, None)  # so that it comes last
            boxes[crop.box] = correction.label
    return labels


def meant(box: Box, among: Sequence[Box]) -> int | None:
    """Which of a photo's crops is meant by what was said of a box: the one that overlaps it most.

    So it outlives another margin or detector.

    Args:
        box: As the crop was when it was spoken of.
        among: The photo's crops as they are now.

    Returns:
        Its place among them; None where none is near.
    """
    overlaps = [overlap(box, other) for other in among]
    most = max(overlaps, default=0.0)
    return overlaps.index(most) if most >= _SAME else None


def overlap(one: Box, other: Box) -> float:
    """The intersection of two boxes over their union, 0 to 1.

    >>> overlap((0, 0, 10, 10), (5, 0, 10, 10))
    0.3333333333333333
    """
    across, down = (
        min(one[at] + one[at + 2], other[at] + other[at + 2]) - max(one[at], other[at])
        for at in (0, 1)
    )
    shared = max(0, across) * max(0, down)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
