"""Append-only records: what many writers say at once, of which nothing is lost or changed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from coralline_core.store import Store

R = TypeVar("R", bound=Report)

_TIME = "%Y%m%dT%H%M%S.%f"
_READERS = 16
_LATE = timedelta(minutes=20)
"""By how much a record's name may be earlier than that of one that was there before it: a write is
tried for minutes, and clocks differ."""


def append(store: Store, folder: str, record: Report) -> str:
    """Write a record under a name of its own, after all that are there.

    The name begins with the time of writing. Clocks differ between machines, so it is never earlier
    than the last record's: who has seen a record and answers it comes after it, as in a hybrid
    logical clock (Kulkarni et al., "Logical physical clocks", OPODIS 2014).

    Args:
        store: Where.
        folder: The records' prefix, such as `corrections/`.
        record: What to say.

    Returns:
        The key.

    Raises:
        CorallineError: The store cannot be written.
    """
    now = datetime.now(UTC)
    ahead = map(_time, store.list(folder, after=f"{folder}{now:{_TIME}}"))
    last = max(filter(None, ahead), default=None)
    time = last + timedelta(microseconds=1) if last else now
    while True:
        key = f"{folder}{time:{_TIME}}-{uuid.uuid4().hex[:8]}.json"
        if store.put_if(key, record.model_dump_json().encode(), None):
            return key


def unread(store: Store, folder: str, known: Collection[str]) -> list[str]:
    """The keys of the records that are not among those that are known, in order.

    Only what may have come since is listed, so one may ask again and again.
    """
    last = _time(max(known, default=""))
    after = f"{folder}{last - _LATE:{_TIME}}" if last else ""
    return [key for key in store.list(folder, after=after) if key not in known]


def read(store: Store, kind: type[R], keys: Iterable[str]) -> Iterator[tuple[str, R]]:
    """The records under some keys, each with its key, in order; many are fetched at a time.

    Raises:
        CorallineError: A record says something else.
    """
    with ThreadPoolExecutor(_READERS, "read") as pool:
        for key, stored in zip(keys := list(keys), pool.map(store.get, keys), strict=True):
            if stored is not None:
                yield key, _parsed(key, kind, stored.data)


def _time(key: str) -> datetime | None:
    """When a record was written, as its name says; None where the name is none of ours."""
    try:
        written = datetime.strptime(PurePosixPath(key).stem.partition("-")[0], _TIME)
    except ValueError:
        return None
    return written.replace(tzinfo=UTC)


def _parsed(key: str, kind: type[R], data: bytes) -> R:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        said = (f"not a record of {key.partition('/')[0]}", ".".join(map(str, first["loc"])))
        raise CorallineError(
            ": ".join(filter(None, (*said, first["msg"]))),
            where=key,
            fix="Restore the object, or update coralline; deleted, what it says is forgotten.",
        ) from error
