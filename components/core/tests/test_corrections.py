"""What people said and took back."""

from datetime import UTC, datetime

from coralline_core.corrections import (
    FOLDER,
    Correction,
    CropOf,
    corrected,
    corrected_crops,
    record,
    standing,
)
from coralline_core.store import FileStore
from hypothesis import given
from hypothesis import strategies as st

BOX = (1, 2, 3, 4)


def say(store, label, photos=(), crops=(), takes_back=()):
    said = {"images": photos, "crops": [CropOf(photo=photo, box=BOX) for photo in crops]}
    at = datetime.now(UTC)
    return record(store, Correction(**said, label=label, takes_back=takes_back, at=at))


def test_what_is_taken_back_was_never_said(store):
    first = say(store, "cat", ["a"], ["b"])
    second = say(store, "dog", ["a", "c"], ["b"])
    assert (corrected(store), corrected_crops(store)) == (
        {"a": "dog", "c": "dog"},
        {"b": {BOX: "dog"}},
    )
    say(store, None, takes_back=[second])
    assert (corrected(store), corrected_crops(store)) == ({"a": "cat"}, {"b": {BOX: "cat"}})
    say(store, None, takes_back=[second, first])
    assert (corrected(store), corrected_crops(store)) == ({}, {})


def test_what_takes_back_what_nobody_said_changes_nothing(store):
    say(store, "cat", ["a"])
    say(store, None, takes_back=[f"{FOLDER}0.json", "x"])
    assert corrected(store) == {"a": "cat"}


def test_that_something_was_taken_back_may_come_before_it(store):
    """Names are of when their writers began, and clocks differ."""
    said = Correction(images=("a",), label="cat", at=datetime.now(UTC))
    late = f"{FOLDER}20990101T000000.000000-00000000.json"
    say(store, None, takes_back=[late])
    store.put(late, said.model_dump_json().encode())
    assert corrected(store) == {}


def test_a_record_of_before_there_was_taking_back_counts(store):
    said = Correction(images=("a",), label="cat", at=datetime.now(UTC))
    data = said.model_dump_json(exclude={"takes_back", "act", "crops"})
    store.put(f"{FOLDER}20260101T000000.000000-00000000.json", data.encode())
    assert corrected(store) == {"a": "cat"}


ACT = st.tuples(st.sampled_from("abc"), st.sampled_from(["cat", "dog", None]), st.booleans())


@given(acts=st.lists(ACT, max_size=6))
def test_what_stands_is_as_if_nothing_else_had_been_said(tmp_path_factory, acts):
    store, only = (FileStore(tmp_path_factory.mktemp("store")) for _ in range(2))
    for photo, label, taken_back in acts:
        key = say(store, label, [photo], [photo])
        if taken_back:
            say(store, None, takes_back=[key])
        else:
            say(only, label, [photo], [photo])
    assert corrected(store) == corrected(only)
    assert corrected_crops(store) == corrected_crops(only)
    assert len(list(standing(store))) == len(list(standing(only)))
