"""What people said of images: this is one of that label, or of none."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from coralline_core import journal
from coralline_core.reports import Report

if TYPE_CHECKING:
    from coralline_core.store import Store

FOLDER = "corrections/"

Box = tuple[int, int, int, int]
"""Left, top, width and height of a crop, px in its photo."""


class CropOf(Report):
    """A crop, by what it is of: so that it is known when it is cut anew."""

    photo: str
    """The photo's sha256."""
    box: Box


class Correction(Report):
    """An object under `corrections/`, never changed; of two about one thing the later counts.

    What is said of a crop counts for it whatever is said of its photo.
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


def record(store: Store, correction: Correction) -> str:
    """Keep a correction; any number of people may at once.

    Returns:
        Its key.
    """
    return journal.append(store, FOLDER, correction)


def corrected(store: Store) -> dict[str, str | None]:
    """The label that people gave, by the photo's sha256.

    Raises:
        CorallineError: A correction cannot be read.
    """
    labels: dict[str, str | None] = {}
    for _, correction in journal.read(store, Correction, store.list(FOLDER)):
        labels.update(dict.fromkeys(correction.images, correction.label))
    return labels


def corrected_crops(store: Store) -> dict[str, dict[Box, str | None]]:
    """The labels that people gave single crops, by the photo's sha256 and in the order of time.

    Raises:
        CorallineError: A correction cannot be read.
    """
    labels: dict[str, dict[Box, str | None]] = {}
    for _, correction in journal.read(store, Correction, store.list(FOLDER)):
        for crop in correction.crops:
            boxes = labels.setdefault(crop.photo, {})
            boxes.pop(crop.box, None)  # so that it comes last
            boxes[crop.box] = correction.label
    return labels
