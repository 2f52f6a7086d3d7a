"""What people said of crops, as the page shows it."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from coralline_core import journal
from coralline_core.corrections import FOLDER, Correction, CropOf, meant, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.corrections import Box
    from coralline_core.store import Store

    from coralline_reviewer.crops import Crops


class Statement(NamedTuple):
    """What somebody said of a crop, or of the photo that it is from."""

    key: str
    """Of the correction: statements are ordered by it."""
    label: str | None
    """None: none of the labels."""
    who: str | None
    at: datetime


class Said:
    """All corrections of a store, as far as they are known here. Any thread may use it.

    Args:
        store: Whose.
    """

    def __init__(self, store: Store) -> None:
        self.revision = 0
        """Counts up with each correction that becomes known."""
        self._store = store
        self._lock = Lock()
        self._keys: set[str] = set()
        self._of_photos: defaultdict[str, list[Statement]] = defaultdict(list)
        self._of_boxes: defaultdict[str, list[tuple[Statement, Box]]] = defaultdict(list)

    def refresh(self) -> None:
        """Read what others have written since.

        Raises:
            CorallineError: The store cannot be reached, or a correction cannot be read.
        """
        with self._lock:
            known = frozenset(self._keys)
        new = journal.unread(self._store, FOLDER, known)
        for key, correction in journal.read(self._store, Correction, new):
            self._hear(key, correction)

    def say(self, crops: Sequence[CropOf], label: str | None, who: str | None) -> None:
        """Write down what somebody says of crops.

        Raises:
            CorallineError: The store cannot be written. Then nothing was said.
        """
        at = datetime.now(UTC)
        correction = Correction(images=(), crops=tuple(crops), label=label, who=who, at=at)
        self._hear(record(self._store, correction), correction)

    def of(self, crops: Crops, rows: Sequence[int] | None = None) -> dict[int, list[Statement]]:
        """What was said of crops, in the order in which it counts.

        What was said of a photo is about its crops, unless they were labelled each by themselves.

        Args:
            crops: The dataset.
            rows: Which of its crops; all by default.

        Returns:
            By row; those of which nothing was said are left out.
        """
        with self._lock:
            spoken_of = {*self._of_photos, *self._of_boxes}
        if rows is not None:
            spoken_of &= {crop["source_sha256"] for crop in crops.about(rows)}
        near = crops.rows_of(spoken_of)
        by_photo: defaultdict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        for row, crop in zip(near, crops.about(near), strict=True):
            by_photo[crop["source_sha256"]].append((row, crop))
        found: dict[int, list[Statement]] = {}
        with self._lock:
            for photo, of_photo in by_photo.items():
                boxes: list[Box] = [tuple(crop["box"]) for _, crop in of_photo]
                alone: list[list[Statement]] = [[] for _ in boxes]
                for statement, box in self._of_boxes.get(photo, ()):
                    if (at := meant(box, boxes)) is not None:
                        alone[at].append(statement)
                for (row, crop), statements in zip(of_photo, alone, strict=True):
                    together = [] if crop["box_label"] else self._of_photos.get(photo, [])
                    if heard := [*together, *statements]:
                        found[row] = heard
        return found if rows is None else {row: found[row] for row in rows if row in found}

    def _hear(self, key: str, correction: Correction) -> None:
        statement = Statement(key, correction.label, correction.who, correction.at)
        with self._lock:
            if key in self._keys:
                return
            self._keys.add(key)
            self.revision += 1
            for photo in correction.images:
                insort(self._of_photos[photo], statement)
            for crop in correction.crops:
                insort(self._of_boxes[crop.photo], (statement, crop.box))
