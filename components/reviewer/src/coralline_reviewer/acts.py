"""What pages say, as it is written down: each act once, and none into another store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coralline_core.corrections import Correction, CropOf
from coralline_core.errors import CorallineError

from coralline_reviewer.messages import HISTORY, Act, History
from coralline_reviewer.refused import GoneError, RefusedError
from coralline_reviewer.said import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.store import Store

    from coralline_reviewer.crops import Crops
    from coralline_reviewer.said import Said


class Acts:
    """The pen of a server: for one thread, so that what is said later comes later.

    Args:
        store: Where corrections are written.
        said: What is known of them.
    """

    def __init__(self, store: Store, said: Said) -> None:
        self._store = store
        self._said = said
        self._unsure: set[str] = set()  # they may be in the store, though no answer came
        self._withdrawn: set[str] = set()

    def say(
        self, act: str, crops: Crops, rows: Sequence[int], label: str | None, who: str | None
    ) -> None:
        """Write down what somebody says of crops.

        Args:
            act: What the page calls it: the same is written once.
            crops: The dataset.
            rows: Of which crops. Those that somebody wanted gone are passed over.
            label: What they show; None: none of the labels.
            who: Who says so.

        Raises:
            RefusedError: It was taken back before it came, or all of the crops are gone.
            CorallineError: The store cannot be written.
        """
        if act in self._withdrawn:
            raise RefusedError("this was taken back before it came")
        if self._find(act):
            return
        left = [row for row in rows if not crops.gone[row]]
        if not left:
            raise GoneError("somebody wanted these pictures gone")
        said = tuple(
            CropOf(photo=one["source_sha256"], box=tuple(one["box"])) for one in crops.about(left)
        )
        now = datetime.now(UTC)
        self._unsure.add(act)
        self._write(crops, Correction(images=(), crops=said, label=label, who=who, at=now, act=act))
        self._unsure.discard(act)

    def withdraw(self, act: str) -> str | None:
        """The key of an act that is to be taken back; None if it never came: then it is refused."""
        key = self._find(act)
        if key is None:
            self._withdrawn.add(act)
        return key

    def take_back(self, key: str, shown: Crops, who: str | None) -> None:
        """Have a correction count no more; one that does not anyway is left alone.

        Args:
            key: The correction's.
            shown: The newest dataset.
            who: Who says so.

        Raises:
            RefusedError: Nobody said it.
            CorallineError: The store cannot be written.
        """
        stands = self._said.stands(key)
        if stands is None:
            raise RefusedError("nobody has said that")
        if stands:
            now = datetime.now(UTC)
            self._write(
                shown, Correction(images=(), label=None, takes_back=(key,), who=who, at=now)
            )

    def history(self, crops: Crops | None) -> History:
        """What was said last and is not taken back.

        Args:
            crops: The newest dataset.
        """
        revision = self._said.revision  # before what was said is read: rather too low
        acts = self._said.newest(HISTORY)
        rows = rows_of(crops, acts) if crops else [[] for _ in acts]
        return History(
            said=revision,
            acts=[
                Act(
                    **act.said._asdict(),
                    photos=act.photos,
                    crops=act.crops,
                    dataset=crops.dataset.id if crops else None,
                    rows=some,
                )
                for act, some in zip(acts, rows, strict=True)
            ],
        )

    def _find(self, act: str) -> str | None:
        """The key of an act, also where its writer has heard no answer."""
        if act in self._unsure:
            self._said.refresh()
            self._unsure.discard(act)
        return self._said.find(act)

    def _write(self, shown: Crops, correction: Correction) -> None:
        """Write into the store whose crops are shown: not into one that has taken its place."""
        if self._store.stat(f"datasets/{shown.dataset.id}.json") is None:
            raise CorallineError(
                "the store has these crops no more",
                where=self._store.uri,
                fix="If its folder or disk is gone, bring it back; else load the page again.",
            )
        self._said.write(correction)
