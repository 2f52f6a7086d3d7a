"""What people said of images: this is one of that label, or of none."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from coralline_core import journal
from coralline_core.reports import Report

if TYPE_CHECKING:
    from coralline_core.store import Store

FOLDER = "corrections/"


class Correction(Report):
    """An object under `corrections/`, never changed; of two about one image the later counts."""

    schema_version: Literal[1] = 1
    images: tuple[str, ...]
    """The sha256 of each photo that it is about."""
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
