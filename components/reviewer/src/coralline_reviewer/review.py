"""What the pages show: the newest crops, what the champion thinks and what people said of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from coralline_core import forgotten, journal
from coralline_core.errors import CorallineError
from coralline_core.forgotten import Forgotten, Notice
from coralline_core.manifests import newest

from coralline_reviewer.acts import Acts
from coralline_reviewer.champion import Champion, champion_version
from coralline_reviewer.crops import Crops
from coralline_reviewer.doubts import Doubts
from coralline_reviewer.messages import Crop, Described, Heard, Listed, Scoring, State, TakenBack
from coralline_reviewer.refused import GoneError, RefusedError
from coralline_reviewer.said import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coralline_core.store import Store

    from coralline_reviewer.messages import History, Say, TakeBack, Wanted
    from coralline_reviewer.settings import ReviewSettings

_LOOK = 60  # s between looks for newer crops and another champion, once there are any


class Review:
    """A project's crops under review. Any thread may ask it.

    `refresh` is for one at a time, and so are `say` and `take_back`.

    Args:
        settings: The project's name and labels.
        store: The project's.
    """

    def __init__(self, settings: ReviewSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._said = Said(store)
        self._acts = Acts(store, self._said)
        self._held: tuple[Crops, ...] = ()  # the newest, and what pages may still show before it
        self._doubts: Doubts | None = None
        self._notices: dict[str, Notice] = {}
        self._looked_at: float | None = None
        self._errors: dict[str, CorallineError | None] = {}

    def refresh(self) -> None:
        """See what others said, and now and then whether there are newer crops.

        That the store cannot be reached is kept for `state` to say.
        """
        heard = self._try("hear", self._hear)
        since = self._looked_at
        if heard and (not self._held or since is None or time.monotonic() > since + _LOOK):
            self._try("look", self._look)
            self._looked_at = time.monotonic()  # what is broken is not asked for again and again
        if self._doubts is not None and self._doubts.error is not None:
            self._doubts.go_on()

    def state(self, who: str | None) -> State:
        """What there is.

        Args:
            who: Who asks.
        """
        dataset = self._held[0].dataset if self._held else None
        error = next(filter(None, self._errors.values()), None)
        return State(
            name=self._settings.name,
            labels=self._settings.labels,
            who=who,
            store=self._store.uri,
            dataset=dataset.id if dataset else None,
            scoring=_scoring(self._doubts) if self._doubts else None,
            said=self._said.revision,
            looking=self._looked_at is None and error is None,
            error=str(error) if error else None,
        )

    def listed(self, wanted: Wanted) -> Listed:
        """The crops that a page wants to go through.

        Raises:
            RefusedError: There are no crops.
        """
        crops = self._newest()
        given = np.array(crops.table["label"].to_pylist(), object)
        now, heard = given.copy(), np.zeros(len(crops), bool)
        for row, statements in self._said.of(crops).items():
            now[row], heard[row] = statements[-1].label, True
        chosen = ~crops.gone
        if wanted.out or wanted.label:
            chosen &= now == (wanted.label or None)
        if wanted.split:
            chosen &= np.array(crops.table["split"].to_pylist(), object) == wanted.split
        if wanted.seen:
            chosen &= {"yes": heard, "no": ~heard, "changed": now != given}[wanted.seen]
        rows = np.flatnonzero(chosen)
        doubts = self._doubts
        if wanted.order == "label":
            rows = rows[np.argsort([label or "" for label in now[rows]], kind="stable")]
        elif wanted.order == "doubt" and doubts is not None and doubts.crops is crops:
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
        rows = [row for row in rows if not crops.gone[row]]
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
                        Heard(key=one.key, label=one.label, who=one.who, at=one.at)
                        for one in said.get(row, ())
                    ],
                )
            )
        return Described(said=revision, crops=described)

    def picture(self, dataset: str, row: int, *, small: bool) -> bytes:
        """A crop's picture: a PNG; or a JPEG, where a small one will do and is there.

        Raises:
            RefusedError: As in `described`; GoneError, if somebody wanted it gone.
            CorallineError: The store cannot be read.
        """
        crops = self._of(dataset, [row])
        if crops.gone[row]:
            raise GoneError("somebody wanted this picture gone")
        if small and self._doubts is not None and self._doubts.crops is crops:
            thumbnail = self._doubts.thumbnail(row)
            if thumbnail is not None:
                return thumbnail
        return crops.picture(row)

    def history(self) -> History:
        """What was said last and is not taken back."""
        return self._acts.history(self._held[0] if self._held else None)

    def say(self, said: Say, who: str | None) -> None:
        """Write down what somebody says of crops; once this returns, it is in the store.

        Raises:
            RefusedError: As in `described`, or the project has no such label; and as `Acts.say`.
            CorallineError: The store cannot be written.
        """
        if said.label is not None and said.label not in self._settings.labels:
            raise RefusedError(f"the project has no label {said.label!r}")
        crops = self._of(said.dataset, said.rows)
        self._acts.say(said.id, crops, said.rows, said.label, who)

    def take_back(self, which: TakeBack, who: str | None) -> TakenBack:
        """Have something that was said count no more; once this returns, it does not.

        Raises:
            RefusedError: Nobody said it.
            CorallineError: The store cannot be written.
        """
        key = self._acts.withdraw(which.id) if which.id else which.key
        if key is not None:
            self._acts.take_back(key, self._newest(), who)
        return TakenBack(said=self._said.revision)

    def _try(self, name: str, work: Callable[[], None]) -> bool:
        """Keep the error of some work, for `state`; whether there was none."""
        try:
            work()
        except CorallineError as error:
            self._errors[name] = error
        else:
            self._errors[name] = None
        return self._errors[name] is None

    def _hear(self) -> None:
        self._said.refresh()
        new = journal.unread(self._store, forgotten.FOLDER, self._notices)
        notices = dict(journal.read(self._store, Notice, new))
        self._notices |= notices
        if images := Forgotten(notices.values()).images:
            for crops in self._held:
                crops.forget(images)

    def _look(self) -> None:
        dataset = newest(self._store, "crops")
        if dataset is None:
            if self._held:
                raise CorallineError("the store has no crops any more", where=self._store.uri)
            return
        crops = next(iter(self._held), None)
        if crops is None or crops.dataset.id != dataset.id:
            crops = Crops(dataset, self._store)
            crops.forget(Forgotten(self._notices.values()).images)
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


def _scoring(doubts: Doubts) -> Scoring:
    error = str(doubts.error) if doubts.error else None
    if error is None and doubts.unseen:
        error = f"{doubts.unseen} crops cannot be opened: coralline verify"
    done, total = doubts.done, len(doubts.crops)
    return Scoring(version=doubts.champion.version, done=done, total=total, error=error)
