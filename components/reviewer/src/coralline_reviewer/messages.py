"""What the page and the server say to each other, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from coralline_core.reports import Report
from pydantic import Field, model_validator

PAGE = 500
"""Most crops of one message."""
HISTORY = 200
"""Most acts of one message."""

ActId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""What a page calls something that it says: 32 hex digits that nothing else is called."""


class Scoring(Report):
    """How far the champion is with the crops."""

    version: str
    """The champion's."""
    done: int
    total: int
    error: str | None
    """Why it goes no further; or what it had to pass over."""


class State(Report):
    """What there is: asked for again and again, by every page that is open."""

    name: str
    labels: tuple[str, ...]
    """In the order of the keys."""
    who: str | None
    """By which name this page's corrections are kept."""
    store: str
    dataset: str | None
    """The newest crops' id; None while there are none."""
    scoring: Scoring | None
    """None where there is no champion."""
    said: int
    """Corrections that are known here: more of them, and the page asks what others said."""
    looking: bool
    """Whether the store is being read for the first time."""
    error: str | None
    """Why what is shown may be old."""


class Wanted(Report):
    """The crops that a page wants to go through: `GET /api/list`."""

    label: str = ""
    """As it is now, after what was said; empty for all."""
    out: Literal["", "yes"] = ""
    """Those of none of the labels."""
    split: str = ""
    """Empty for all."""
    seen: Literal["", "no", "yes", "changed"] = ""
    """Whether somebody has said something of them; `changed`: another label."""
    order: Literal["doubt", "label", "stored"] = "doubt"
    """What the champion believes least first; by label; or as they are stored."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.out and self.label:
            raise ValueError("with out=yes there is no label")
        return self


class Listed(Report):
    """The crops that a page goes through, in order."""

    dataset: str
    rows: list[int]


class Heard(Report):
    """What somebody said of a crop, and nobody has taken back."""

    key: str
    """Of the correction."""
    label: str | None
    """None: none of the labels."""
    who: str | None
    at: datetime


class Crop(Report):
    """A crop as the page shows it."""

    row: int
    label: str
    """In the dataset."""
    split: str
    photo: str
    """Its sha256."""
    box: tuple[int, int, int, int]
    page_url: str | None
    creator: str | None
    licence: str | None
    thinks: str | None
    """The label that the champion gives it; None while it has not been asked."""
    probability: float | None
    said: list[Heard]
    """What was said of it; the last counts."""


class Described(Report):
    """Some crops, each as it is now; those that somebody wanted gone are left out."""

    said: int
    """As in State."""
    crops: list[Crop]


class Act(Report):
    """What somebody said at once, of one thing or of many."""

    key: str
    """Of the correction."""
    label: str | None
    """None: none of the labels."""
    who: str | None
    at: datetime
    photos: int
    """Whole photos that it is about: how many."""
    crops: int
    """Likewise of single crops."""
    dataset: str | None
    """The newest."""
    rows: list[int]
    """A few of its crops that it is about; none where none of those is there."""


class History(Report):
    """What was said and is not taken back, the newest first."""

    said: int
    """As in State."""
    acts: list[Act]


class Say(Report):
    """What somebody says of crops: `POST /api/say`."""

    id: ActId
    """Said again, as no answer came, it is written once."""
    dataset: str
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=PAGE)]
    label: str | None
    """One of the project's; None: none of them, so that the crops are left out."""


class TakeBack(Report):
    """What is to count no more: `POST /api/take-back`. It is named in one of two ways."""

    id: ActId | None = None
    """As the page called it, whether or not it has come here."""
    key: str | None = None
    """Of the correction, whoever said it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.id is None) == (self.key is None):
            raise ValueError("either id or key is needed")
        return self


class TakenBack(Report):
    """That it counts no more."""

    said: int
    """As in State."""
