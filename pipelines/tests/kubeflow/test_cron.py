"""Cron lines, held against how the back end reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from coralline.cluster.kubeflow.cron import read_cron
from coralline_core.errors import CorallineError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
BOUNDS = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class Robfig:
    """robfig/cron v1, as its documentation has it, day by day and second by second."""

    def __init__(self, text):
        fields = text.lower().split()
        self.stars = [field[0] in "*?" for field in fields]
        self.values = [
            set().union(*(self._term(term, at) for term in field.split(",")))
            for at, field in enumerate(fields)
        ]

    def _term(self, term, at):
        low, high = BOUNDS[at]
        span, _, step = term.partition("/")
        if span not in ("*", "?"):
            first, _, last = span.partition("-")
            low, end = self._value(first, at), high
            high = self._value(last, at) if last else (end if step else low)
        return set(range(low, high + 1, int(step or 1)))

    def _value(self, text, at):
        names = {4: MONTHS, 5: DAYS}.get(at, [])
        return names.index(text) + (at == 4) if text in names else int(text)

    def _day(self, day):
        of_month = day.day in self.values[3]
        of_week = (day.weekday() + 1) % 7 in self.values[5]
        either = self.stars[3] or self.stars[5]
        return day.month in self.values[4] and (
            of_month and of_week if either else of_month or of_week
        )

    def firings(self, after, count):
        found = []
        for days in range(6 * 366):
            day = after.replace(hour=0, minute=0, second=0) + timedelta(days=days)
            if not self._day(day):
                continue
            for hour in sorted(self.values[2]):
                for minute in sorted(self.values[1]):
                    for second in sorted(self.values[0]):
                        at = day.replace(hour=hour, minute=minute, second=second)
                        if at > after:
                            found.append(at)
                            if len(found) == count:
                                return found
        return found


@st.composite
def fields(draw, at):
    low, high = BOUNDS[at]
    names = {4: MONTHS, 5: DAYS}.get(at, [])

    def value(number):
        return names[number - low] if names and draw(st.booleans()) else str(number)

    def term():
        first = draw(st.integers(low, high))
        last = draw(st.none() | st.integers(first + 1, high)) if first < high else None
        span = value(first) + (f"-{value(last)}" if last else "")
        return span + draw(st.sampled_from(["", "", "/1", "/2", "/3", "/7"]))

    if draw(st.booleans()):
        return draw(st.sampled_from(["*", "?"])) + draw(st.sampled_from(["", "", "/2", "/5"]))
    return ",".join(term() for _ in range(draw(st.integers(1, 3))))


lines = st.tuples(*(fields(at) for at in range(6))).map(" ".join)


@given(lines)
@example("* * * */2 * 6/1")  # was read as Saturday and Sunday
@settings(max_examples=200, deadline=None)
def test_it_fires_when_the_back_end_does(line):
    theirs = Robfig(line).firings(NOON, 3)
    assume(len(theirs) == 3)
    assert read_cron(line).firings(NOON) == theirs


@given(st.text(alphabet="0123456789*?/,- LW#jansun", max_size=30))
@settings(max_examples=300)
def test_whatever_is_typed_is_read_or_refused_in_one_line(text):
    try:
        cron = read_cron(text)
    except CorallineError as error:
        refused = str(error)
    else:
        refused, theirs = "", Robfig(cron.text).firings(NOON, 3)
        assert cron.firings(NOON)[: len(theirs)] == theirs
    assert "\n" not in refused


@pytest.mark.parametrize(
    ("line", "words", "first"),
    [
        ("0 0 3 * * *", "At 03:00 every day", "26 03:00:00"),
        ("  0  30 2 ? * mon-fri ", "At 02:30 on Monday through Friday", "26 02:30:00"),
        ("*/30 * * * * *", "Every 30th second of every minute", "25 12:00:30"),
        ("0 0 3 * * sun", "At 03:00 on Sunday", "29 03:00:00"),
        ("0 0 4 1 * *", "At 04:00 on the first day of every month", "01 04:00:00"),
    ],
)
def test_it_is_read_back_in_words(line, words, first):
    cron = read_cron(line)
    assert cron.words == words
    assert f"{cron.firings(NOON)[0]:%d %H:%M:%S}" == first


def test_five_fields_are_refused_and_the_six_that_are_meant_are_named():
    with pytest.raises(CorallineError) as raised:
        read_cron("0 3 * * *")
    assert str(raised.value) == (
        "--cron '0 3 * * *': five fields: Kubeflow would take them for \"0 3 * * * *\", "
        'at minute 3 of every hour. Put the second first: "0 0 3 * * *", at 03:00 every day.'
    )


def test_five_fields_that_the_back_end_would_refuse_are_named_too():
    with pytest.raises(CorallineError, match=r'Put the second first: "0 0 3 \* \* MON"') as raised:
        read_cron("0 3 * * MON")
    assert "would take them" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("banana", "cron has six fields here (second, minute, hour, day of the month, month, day"),
        ("", "and this has 0"),
        ("1 2 3 4 5 6 7", "and this has 7"),
        ("@daily", "and this has 1"),
        ("60 0 3 * * *", "there is no such second"),
        ("0 0 24 * * *", "there is no such hour"),
        ("0 0 3 0 * *", "there is no such day-of-month"),
        ("0 0 3 30 2 *", "there is no such day-of-month"),
        ("0 0 3 * * 7", "the days of the week go from 0, Sunday, to 6"),
        ("0 0 3 L * *", "L is not what cron takes for the day of the month"),
        ("0 0 3 * * 1#2", "1#2 is not what cron takes for the day of the week"),
        ("0 0 3 15 * 1,*", "1,* is not what cron takes for the day of the week"),
        ("0 0 3 5-5/2 * *", "5-5/2 is not what cron takes for the day of the month"),
        ("0 0/0 3 * * *", "there is no such minute"),
        ("0 9-5 3 * * *", "there is no such minute"),
    ],
)
def test_what_would_be_misread_is_refused(line, says):
    with pytest.raises(CorallineError) as raised:
        read_cron(line)
    assert says in raised.value.what
    assert 'Such as "0 0 3 * * *"' in raised.value.fix
