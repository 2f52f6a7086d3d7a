"""Records that many write: in order whatever the clocks say, and none lost."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from coralline_core import journal
from coralline_core.corrections import FOLDER, Correction, corrected, record
from coralline_core.errors import CorallineError
from coralline_core.reports import Report


class Said(Report):
    number: int


def numbers(store):
    return [said.number for _, said in journal.read(store, Said, store.list("said/"))]


def test_records_are_read_in_the_order_in_which_they_were_written(store):
    keys = [journal.append(store, "said/", Said(number=number)) for number in range(30)]
    assert keys == sorted(set(keys)) == list(store.list("said/"))
    assert numbers(store) == list(range(30))


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400)])
def test_what_follows_a_record_from_a_clock_that_is_ahead_comes_after_it(store, ahead):
    first = journal.append(store, "said/", Said(number=0))
    early = f"said/{datetime.now(UTC) + ahead:{journal._TIME}}-{uuid.uuid4().hex[:8]}.json"
    store.put(early, Said(number=1).model_dump_json().encode())
    later = [journal.append(store, "said/", Said(number=number)) for number in (2, 3)]
    assert [first, early, *later] == sorted([first, early, *later])
    assert numbers(store) == [0, 1, 2, 3]


def test_other_peoples_objects_do_not_keep_a_record_from_its_place(store):
    store.put("said/zzz.txt", b"")
    early = f"said/{datetime.now(UTC) + timedelta(hours=1):{journal._TIME}}-0.json"
    store.put(early, b"")
    assert early < journal.append(store, "said/", Said(number=1)) < "said/zzz.txt"


def test_what_is_unread_is_what_others_wrote_since_also_what_came_late(store):
    keys = [journal.append(store, "said/", Said(number=number)) for number in range(3)]
    assert journal.unread(store, "said/", set()) == keys
    assert journal.unread(store, "said/", set(keys)) == []
    late = f"said/{datetime.now(UTC) - timedelta(minutes=5):{journal._TIME}}-0.json"
    store.put(late, b"")
    next_one = journal.append(store, "said/", Said(number=3))
    assert journal.unread(store, "said/", set(keys)) == [late, next_one]
    store.put("said/zzz.txt", b"")  # somebody else's
    known = {*keys, "said/zzz.txt"}
    assert journal.unread(store, "said/", known) == [late, next_one]


def test_a_record_that_says_something_else_is_named(store):
    key = journal.append(store, "said/", Said(number=1))
    store.put(key, b'{"number": "one"}')
    with pytest.raises(CorallineError, match="not a record of said: number: ") as caught:
        numbers(store)
    assert caught.value.where == key


def test_a_record_that_is_no_json_is_said_in_one_breath(store):
    store.put("said/1.json", b"{")
    with pytest.raises(CorallineError, match="not a record of said: Invalid JSON"):
        numbers(store)


def test_of_two_corrections_of_one_image_the_later_counts(store):
    assert corrected(store) == {}
    at = datetime.now(UTC)
    record(store, Correction(images=("a", "b"), label="cat", at=at))
    record(store, Correction(images=("b", "c"), label="dog", at=at - timedelta(hours=2)))
    record(store, Correction(images=("c",), label=None, who="me", why="a drawing", at=at))
    assert corrected(store) == {"a": "cat", "b": "dog", "c": None}
    assert len(list(store.list(FOLDER))) == 3
