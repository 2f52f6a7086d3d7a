"""What the page and the server say to each other, as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from coralline_core.reports import Report
from pydantic import Field

Order = Literal["doubt", "label", "stored"]
Seen = Literal["", "no", "yes", "changed"]

PAGE = 500
"""Most crops of one message."""


class Scoring(Report):
    """How far the champion is with the crops."""

    version: str
    """The champion's."""
    done: int
    total: int
    error: str | None
    """Why it goes no further."""


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
    written: datetime | None
    counts: dict[str, dict[str, int]]
    """Crops by label, then by split, as the dataset has them."""
    scoring: Scoring | None
    """None where there is no champion."""
    said: int
    """Corrections that are known here: more of them, and the page asks what others said."""
    looking: bool
    """Whether the store is being read for the first time."""
    error: str | None
    """Why what is shown may be old."""


class Listed(Report):
    """The crops that a page goes through, in order."""

    dataset: str
    rows: list[int]


class Heard(Report):
    """What somebody said of a crop."""

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
    """Some crops, each as it is now."""

    said: int
    """As in State."""
    crops: list[Crop]


class Say(Report):
    """What somebody says of crops: `POST /api/say`."""

    dataset: str
    rows: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=PAGE)]
    label: str | None
    """One of the project's; None: none of them, so that the crops are left out."""
