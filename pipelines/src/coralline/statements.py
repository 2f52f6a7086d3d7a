"""What people said of a project's images: to see it, and to take it back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from coralline_core.corrections import Correction, record, standing
from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.store import Store

SHOWN = 12  # digits of a sha256 that people are shown
_THINGS = 3  # of one statement that people are shown
_NAMED = 5  # statements of which several are meant


class Statement(Report):
    """What somebody said at once, and nobody has taken back."""

    id: str
    """What people call it."""
    key: str
    """Of the object in the store."""
    correction: Correction

    def __str__(self) -> str:
        said = self.correction
        label = said.label or "none of the labels"
        things = [*things_of(said)]
        of = ", ".join(things[:_THINGS])
        more = f" and {len(things) - _THINGS} more" if len(things) > _THINGS else ""
        why = f"  ({said.why})" if said.why else ""
        return f"{self.id}  {said.at:%Y-%m-%d %H:%M}  {said.who or '-'}  {label}: {of}{more}{why}"


class Statements(Report):
    """All of them, the newest last."""

    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements)) or "nothing was said"


class TakenBack(Report):
    """What counts no more."""

    key: str
    """Of the object in the store that says so."""
    statement: Statement

    def __str__(self) -> str:
        return f"{self.statement}\ntaken back: the next run's dataset has it as before"


def listing(store: Store) -> Statements:
    """What was said and is not taken back.

    Raises:
        CorallineError: A correction cannot be read.
    """
    return Statements(
        statements=tuple(
            Statement(id=_name(key).rpartition("-")[2], key=key, correction=correction)
            for key, correction in standing(store)
        )
    )


def take_back(store: Store, which: str, why: str | None, who: str | None) -> TakenBack:
    """Have something that was said count no more; what was said before it counts again.

    Args:
        store: Where it was said.
        which: Its id, its key or the key's last part; or how one of them begins.
        why: For those who come later.
        who: Who says so.

    Raises:
        CorallineError: Nothing is meant, or several statements are.
    """
    meant = [one for one in listing(store).statements if _begins(one, which)]
    if len(meant) != 1:
        named = ", ".join(_name(one.key) for one in meant[:_NAMED])
        more = ", …" if len(meant) > _NAMED else ""
        raise CorallineError(
            f"{len(meant)} statements begin with {which}: {named}{more}"
            if meant
            else f"nothing that was said and counts begins with {which!r}",
            where="--take-back",
            fix="Give more of it." if meant else "See what there is: --list.",
        )
    (one,) = meant
    at = datetime.now(UTC)
    taking = Correction(images=(), label=None, takes_back=(one.key,), why=why, who=who, at=at)
    return TakenBack(key=record(store, taking), statement=one)


def things_of(correction: Correction) -> Iterator[str]:
    """What a correction is about, for people: photos and crops."""
    for sha256 in correction.images:
        yield sha256[:SHOWN]
    for crop in correction.crops:
        yield f"{crop.photo[:SHOWN]}, crop at {crop.box[0]},{crop.box[1]}"


def _begins(statement: Statement, which: str) -> bool:
    names = (statement.id, _name(statement.key), statement.key)
    return bool(which) and any(name.startswith(which) for name in names)


def _name(key: str) -> str:
    return PurePosixPath(key).stem
