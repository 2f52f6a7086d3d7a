"""Cron as Kubeflow Pipelines reads it: six fields, the seconds first.

Five fields, as everywhere else, are taken there without a word, and mean something else: the first
counts as seconds, and the day of the week is left open. `0 3 * * *` does not fire at three o'clock
but at the third minute of every hour. So they are refused here, and the six that are meant are
named.

The back end reads them with Go's robfig/cron, version 1: no `L`, `W` or `#`, days of the week from
0 (Sunday) to 6, and where a day of the month and one of the week are said, either will do.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from coralline_core.errors import CorallineError
from cronsim import CronSim, CronSimError

_EXAMPLE = 'Such as "0 0 3 * * *": every day at 03:00.'
_FIELDS = "second, minute, hour, day of the month, month, day of the week"
# A star in a list, or a range of one value, would be read in two ways.
_TERM = r"(?!(\w+)-\1\b)(?:\d+|[a-z]{3})(?:-(?:\d+|[a-z]{3}))?(?:/\d+)?"
_FIELD = re.compile(rf"[*?](?:/\d+)?|{_TERM}(?:,{_TERM.replace('1', '2')})*", re.IGNORECASE)


class Cron(NamedTuple):
    """When something recurs.

    Attributes:
        text: The six fields, as they were written but for the spaces between them.
        words: The same in words.
    """

    text: str
    words: str

    def firings(self, after: datetime, count: int = 3) -> list[datetime]:
        """The next times at which it fires, in UTC."""
        return list(islice(CronSim(_plain(self.text), after.astimezone(UTC)), count))


def read_cron(text: str) -> Cron:
    """Read a cron line.

    Raises:
        CorallineError: It has not six fields, or the back end would not read it as it looks.
    """
    fields = text.split()
    if len(fields) == 5:
        raise _five_fields(" ".join(fields))
    if len(fields) != 6:
        what = f"cron has six fields here ({_FIELDS}), and this has {len(fields)}"
        raise CorallineError(what, where=_where(text), fix=_EXAMPLE)
    for field, name in zip(fields, _FIELDS.split(", "), strict=True):
        if not _FIELD.fullmatch(field):
            what = f"{field} is not what cron takes for the {name}"
            raise CorallineError(what, where=_where(text), fix=_EXAMPLE)
    return Cron(" ".join(fields), _words(fields, text))


def _five_fields(text: str) -> CorallineError:
    meant = read_cron(f"0 {text}")
    what = "five fields, and cron has six here"
    with suppress(CorallineError):  # no line that the back end would take
        done = read_cron(f"{text} *")
        what = f'five fields: Kubeflow would take them for "{done.text}", {_lower(done.words)}'
    fix = f'Put the second first: "{meant.text}", {_lower(meant.words)}.'
    return CorallineError(what, where=_where(text), fix=fix)


def _words(fields: list[str], text: str) -> str:
    plain = _plain(" ".join(fields))
    try:
        if re.search(r"(?<!/)\b7\b", fields[-1]):
            raise CronSimError("the days of the week go from 0, Sunday, to 6")
        cron = CronSim(plain, datetime.now(UTC))
        next(cron)
    except CronSimError as error:
        what = str(error).replace("Bad ", "there is no such ")
        raise CorallineError(what, where=_where(text), fix=_EXAMPLE) from error
    except StopIteration:
        raise CorallineError("it would never fire", where=_where(text), fix=_EXAMPLE) from None
    return cron.explain()


def _plain(text: str) -> str:
    """The same for cronsim, which knows no `?`, and has a Sunday both at 0 and at 7."""
    *fields, weekday = text.replace("?", "*").split()
    weekday = re.sub(r"(^|,)(6|sat)/\d+", r"\1\2", weekday, flags=re.IGNORECASE)  # no day is after
    return " ".join((*fields, re.sub(r"(^|,)(\w+)/", r"\1\2-6/", weekday)))


def _where(text: str) -> str:
    return f"--cron {text!r}"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
