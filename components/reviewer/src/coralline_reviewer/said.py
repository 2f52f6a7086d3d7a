"""What people said of crops, as the page shows it."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from heapq import nlargest
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from coralline_core import journal
from coralline_core.corrections import FOLDER, Correction, meant, record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from coralline_core.corrections import Box
    from coralline_core.store import Store

    from coralline_reviewer.crops import Crops

    Near = dict[str, list[tuple[int, dict[str, Any]]]]


_FEW = 3  # crops of an act that a page shows


class Statement(NamedTuple):
    """What somebody said of a crop, or of the photo that it is from."""

    key: str
    """Of the correction: statements are ordered by it."""
    label: str | None
    """None: none of the labels."""
    who: str | None
    at: datetime


class Act(NamedTuple):
    """What somebody said at once."""

    said: Statement
    photos: int
    """Whole photos that it is about: how many."""
    crops: int
    """Likewise of single crops."""
    some: tuple[tuple[str, Box | None], ...]
    """A few of both: the photo, and the box of a single crop."""


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
        self._acts: dict[str, Act] = {}  # by key
        self._named: dict[str, str] = {}  # the key, by what its page calls it
        self._taken_back: set[str] = set()
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

    def write(self, correction: Correction) -> None:
        """Write down what somebody says.

        Raises:
            CorallineError: The store cannot be written. Then mostly nothing was said; where the
                answer was lost, `refresh` finds it.
        """
        self._hear(record(self._store, correction), correction)

    def find(self, act: str) -> str | None:
        """The key of what a page calls so; None where it is not known here."""
        with self._lock:
            return self._named.get(act)

    def stands(self, key: str) -> bool | None:
        """Whether something was said and is not taken back; None where it is not known here."""
        with self._lock:
            return key not in self._taken_back if key in self._acts else None

    def newest(self, n: int) -> list[Act]:
        """What was said last and is not taken back, the newest first."""
        with self._lock:
            standing = self._acts.keys() - self._taken_back
            return [self._acts[key] for key in nlargest(n, standing)]

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
        found: dict[int, list[Statement]] = {}
        near = _near(crops, spoken_of)
        with self._lock:
            for photo, of_photo in near.items():
                boxes: list[Box] = [tuple(crop["box"]) for _, crop in of_photo]
                alone: list[list[Statement]] = [[] for _ in boxes]
                for statement, box in self._of_boxes.get(photo, ()):
                    if (at := meant(box, boxes)) is not None:
                        alone[at].append(statement)
                for (row, crop), statements in zip(of_photo, alone, strict=True):
                    together = [] if crop["box_label"] else self._of_photos.get(photo, [])
                    heard = [*together, *statements]
                    if heard := [one for one in heard if one.key not in self._taken_back]:
                        found[row] = heard
        return found if rows is None else {row: found[row] for row in rows if row in found}

    def _hear(self, key: str, correction: Correction) -> None:
        statement = Statement(key, correction.label, correction.who, correction.at)
        with self._lock:
            if key in self._keys:
                return
            self._keys.add(key)
            if act := _act(statement, correction):
                self._acts[key] = act
            if correction.act:
                self._named[correction.act] = key
            self._taken_back.update(correction.takes_back)
            self.revision += 1
            for photo in correction.images:
                insort(self._of_photos[photo], statement)
            for crop in correction.crops:
                insort(self._of_boxes[crop.photo], (statement, crop.box))


def rows_of(crops: Crops, acts: Sequence[Act]) -> list[list[int]]:
    """A few rows of the crops that each act is about; none where none of those is there."""
    near = _near(crops, {photo for act in acts for photo, _ in act.some})

    def about(act: Act) -> Iterator[int]:
        for photo, box in act.some:
            of_photo = near.get(photo, [])
            if box is None:
                yield from (row for row, _ in of_photo)
            elif (at := meant(box, [tuple(crop["box"]) for _, crop in of_photo])) is not None:
                yield of_photo[at][0]

    return [
        list(islice((row for row in dict.fromkeys(about(act)) if not crops.gone[row]), _FEW))
        for act in acts
    ]


def _act(statement: Statement, correction: Correction) -> Act | None:
    photos, crops = correction.images, correction.crops
    if not photos and not crops:
        return None
    some: list[tuple[str, Box | None]] = [(photo, None) for photo in photos[:_FEW]]
    some += [(crop.photo, crop.box) for crop in crops[:_FEW]]
    return Act(statement, len(photos), len(crops), tuple(some))


def _near(crops: Crops, photos: Collection[str]) -> Near:
    """The crops of some photos, each with its row, by photo."""
    rows = crops.rows_of(photos)
    found: Near = defaultdict(list)
    for row, crop in zip(rows, crops.about(rows), strict=True):
        found[crop["source_sha256"]].append((row, crop))
    return found
