"""Images that somebody wanted gone: they are in no dataset from then on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self

from coralline_core import journal
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.store import Store

FOLDER = "forgotten/"

By = Literal["url", "sha256", "page"]


class Notice(Report):
    """An object under `forgotten/`: what is to be forgotten, and why."""

    schema_version: Literal[1] = 1
    by: By
    """What `value` is: an image's URL, the sha256 of its bytes, or the URL of its page."""
    value: str
    images: tuple[str, ...] = ()
    """The sha256 of the images that the store had of it: they are forgotten wherever they are from.
    """
    why: str
    who: str | None = None
    at: datetime


class Forgotten:
    """All notices of a store.

    Args:
        notices: In any order.
    """

    def __init__(self, notices: Iterable[Notice] = ()) -> None:
        self.notices = tuple(notices)
        self._named: dict[By, set[str]] = {"url": set(), "sha256": set(), "page": set()}
        for notice in self.notices:
            self._named[notice.by].add(notice.value)
            self._named["sha256"].update(notice.images)

    @classmethod
    def read(cls, store: Store) -> Self:
        """Those of a store.

        Raises:
            CorallineError: A notice cannot be read.
        """
        return cls(notice for _, notice in journal.read(store, Notice, store.list(FOLDER)))

    @property
    def images(self) -> frozenset[str]:
        """The sha256 of every image that is forgotten by its bytes."""
        return frozenset(self._named["sha256"])

    def covers(
        self, *, url: str | None = None, sha256: str | None = None, page: str | None = None
    ) -> bool:
        """Whether an image is forgotten, by whatever of it is known."""
        known: tuple[tuple[By, str | None], ...] = (
            ("url", url),
            ("sha256", sha256),
            ("page", page),
        )
        return any(value in self._named[by] for by, value in known if value is not None)

    def __len__(self) -> int:
        return len(self.notices)
