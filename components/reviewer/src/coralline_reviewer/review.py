"""What the pages show: the newest crops, what the champion thinks and what people said of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from coralline_core.corrections import CropOf
from coralline_core.errors import CorallineError
from coralline_core.manifests import newest

from coralline_reviewer.champion import Champion, champion_version
from coralline_reviewer.crops import Crops
from coralline_reviewer.doubts import Doubts
from coralline_reviewer.messages import Crop, Described, Heard, Listed, Scoring, State
from coralline_reviewer.said import Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.store import Store

    from coralline_reviewer.messages import Order, Seen
    from coralline_reviewer.settings import ReviewSettings

_LOOK = 60  # s between looks for newer crops and another champion, once there are any


class RefusedError(CorallineError):
    """A page asks for what cannot be: it may be older than what is here now."""


class Review:
    """A project's crops under review. Any thread may ask it; `refresh` is for one at a time.

    Args:
        settings: The project's name and labels.
        store: The project's.
    """

    def __init__(self, settings: ReviewSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._said = Said(store)
        self._held: tuple[Crops, ...] = ()  # the newest, and what pages may still show before it
        self._doubts: Doubts | None = None
        self._looked_at: float | None = None
        self._error: CorallineError | None = None

    def refresh(self) -> None:
        """See what others said, and now and then whether there are newer crops.

        That the store cannot be reached is kept for `state` to say.
        """
        try:
            self._said.refresh()
            now = time.monotonic()
            if not self._held or self._looked_at is None or now > self._looked_at + _LOOK:
                self._look()
                self._looked_at = now
        except CorallineError as error:
            self._error = error
        else:
            self._error = None
        if self._doubts is not None and self._doubts.error is not None:
            self._doubts.go_on()

    def state(self, who: str | None) -> State:
        """What there is.

        Args:
            who: Who asks.
        """
        dataset = self._held[0].dataset if self._held else None
        doubts, scoring = self._doubts, None
        if doubts is not None:
            error = str(doubts.error) if doubts.error else None
            done, total = doubts.done, len(doubts.crops)
            scoring = Scoring(version=doubts.champion.version, done=done, total=total, error=error)
        return State(
            name=self._settings.name,
            labels=self._settings.labels,
            who=who,
            store=self._store.uri,
            dataset=dataset.id if dataset else None,
            written=dataset.saved_at if dataset else None,
            counts=dataset.counts if dataset else {},
            scoring=scoring,
            said=self._said.revision,
            looking=self._looked_at is None and self._error is None,
            error=str(self._error) if self._error else None,
        )

    def listed(self, label: str, split: str, seen: Seen, order: Order) -> Listed:
        """The crops that a page wants to go through.

        Args:
            label: As it is now, after what was said; empty for all. `-` for none of the labels.
            split: Empty for all.
            seen: Whether somebody has said something of them; `changed`: another label.
            order: What the champion believes least first; by label; or as they are stored.

        Raises:
            RefusedError: There are no crops.
        """
        crops = self._newest()
        given = np.array(crops.table["label"].to_pylist(), object)
        now, heard = given.copy(), np.zeros(len(crops), bool)
        for row, statements in self._said.of(crops).items():
            now[row], heard[row] = statements[-1].label or "-", True
        chosen = np.ones(len(crops), bool)
        if label:
            chosen &= now == label
        if split:
            chosen &= np.array(crops.table["split"].to_pylist(), object) == split
        if seen:
            chosen &= {"yes": heard, "no": ~heard, "changed": now != given}[seen]
        rows = np.flatnonzero(chosen)
        doubts = self._doubts
        if order == "label":
            rows = rows[np.argsort(now[rows].astype(str), kind="stable")]
        elif order == "doubt" and doubts is not None and doubts.crops is crops:
            rows = rows[np.argsort(-doubts.doubt()[rows], kind="stable")]  # NaN last
        return Listed(dataset=crops.dataset.id, rows=rows.tolist())

    def described(self, dataset: str, rows: Sequence[int]) -> Described:
        """Some crops as they are now.

        Raises:
            RefusedError: The dataset is none of those that are held, or has no such row.
        """
        crops = self._of(dataset, rows)
        revision = self._said.revision  # before what was said is read: rather too low
        said = self._said.of(crops, rows)
        doubts = self._doubts if self._doubts and self._doubts.crops is crops else None
        described = []
        for row, known in zip(rows, crops.about(rows), strict=True):
            thinks, probability = (doubts.of(row) if doubts else None) or (None, None)
            described.append(
                Crop(
                    row=row,
                    label=known["label"],
                    split=known["split"],
                    photo=known["source_sha256"],
                    box=tuple(known["box"]),
                    page_url=known["page_url"],
                    creator=known["creator"],
                    licence=known["licence"],
                    thinks=thinks,
                    probability=probability,
                    said=[
                        Heard(label=one.label, who=one.who, at=one.at) for one in said.get(row, ())
                    ],
                )
            )
        return Described(said=revision, crops=described)

    def picture(self, dataset: str, row: int, *, small: bool) -> bytes:
        """A crop's picture: a PNG; or a JPEG, where a small one will do and is there.

        Raises:
            RefusedError: As in `described`.
            CorallineError: The store cannot be read.
        """
        crops = self._of(dataset, [row])
        if small and self._doubts is not None and self._doubts.crops is crops:
            thumbnail = self._doubts.thumbnail(row)
            if thumbnail is not None:
                return thumbnail
        return crops.picture(row)

    def say(self, dataset: str, rows: Sequence[int], label: str | None, who: str | None) -> None:
        """Write down what somebody says of crops; once this returns, it is in the store.

        Raises:
            RefusedError: As in `described`, or the project has no such label.
            CorallineError: The store cannot be written.
        """
        if label is not None and label not in self._settings.labels:
            raise RefusedError(f"the project has no label {label!r}")
        crops = [
            CropOf(photo=crop["source_sha256"], box=tuple(crop["box"]))
            for crop in self._of(dataset, rows).about(rows)
        ]
        self._said.say(crops, label, who)

    def _look(self) -> None:
        dataset = newest(self._store, "crops")
        if dataset is None:
            return
        crops = next(iter(self._held), None)
        if crops is None or crops.dataset.id != dataset.id:
            crops = Crops(dataset, self._store)
        doubts = None
        try:
            doubts = self._asked(crops)
        finally:  # crops are shown where the champion cannot be had, too, and not before that
            if self._doubts is not doubts and self._doubts is not None:
                self._doubts.stop()
            self._doubts = doubts
            if crops not in self._held:
                self._held = (crops, *self._held[:1])

    def _asked(self, crops: Crops) -> Doubts | None:
        """The champion at work on some crops: already, or from now on."""
        version, asked = champion_version(self._store), self._doubts
        if version is None:
            return None
        if asked and asked.crops is crops and asked.champion.version == version:
            return asked
        doubts = Doubts(crops, Champion.load(self._store, version))
        doubts.go_on()
        return doubts

    def _newest(self) -> Crops:
        if not self._held:
            raise RefusedError("there are no crops yet")
        return self._held[0]

    def _of(self, dataset: str, rows: Sequence[int]) -> Crops:
        for crops in self._held:
            if crops.dataset.id == dataset and all(row < len(crops) for row in rows):
                return crops
        raise RefusedError("there are newer crops: load the page again")
