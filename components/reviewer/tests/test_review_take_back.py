"""What was said can be taken back, by whoever said it or another, and each act is written once."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from coralline_core.corrections import FOLDER, Correction, CropOf, corrected_crops, record

CROPS = [("red", "red"), ("red", "blue"), ("blue", "blue")]
BOX = (10, 20, 30, 30)


@pytest.fixture
def server(shelf, serve):
    shelf.put_crops(CROPS)
    server = serve(shelf, "--who", "Ada")
    server.ready()
    return server


def act():
    return uuid.uuid4().hex


def written(shelf):
    return [json.loads(shelf.store.get(key).data) for key in shelf.store.list(FOLDER)]


def labels(server, row):
    return [one["label"] for one in server.crops(row)[0]["said"]]


def test_the_same_act_is_written_once_also_by_another_server(shelf, serve, server):
    one = act()
    assert [server.say([0], "blue", one) for _ in range(3)] == [200] * 3
    assert labels(server, 0) == ["blue"]
    server.stop()
    again = serve(shelf)
    again.ready()
    assert again.say([0], "blue", one) == 200
    assert [correction["act"] for correction in written(shelf)] == [one]


def test_what_is_taken_back_was_never_said(shelf, server):
    first, second = act(), act()
    server.say([0], "blue", first)
    server.say([0, 1], None, second)
    assert server.take_back(id=second) == 200
    assert (labels(server, 0), labels(server, 1)) == (["blue"], [])
    assert server.list(seen="changed") == [0]
    assert server.list(out="yes") == []
    assert server.take_back(id=first) == 200
    assert server.list(seen="yes") == []
    assert corrected_crops(shelf.store) == {}
    taking = written(shelf)[-1]
    assert (taking["images"], taking["crops"], taking["label"]) == ([], [], None)
    assert taking["who"] == "Ada"


def test_it_is_taken_back_once(shelf, server):
    one = act()
    server.say([0], "blue", one)
    (key,) = shelf.store.list(FOLDER)
    assert [server.take_back(id=one), server.take_back(id=one), server.take_back(key=key)] == (
        [200] * 3
    )
    assert len(written(shelf)) == 2


def test_what_never_came_is_not_written_when_it_comes_late(shelf, server):
    one = act()
    assert server.take_back(id=one) == 200
    assert server.say([0], "blue", one) == 409
    assert written(shelf) == []
    assert server.say([0], "blue") == 200


def test_a_server_that_began_anew_takes_back_what_the_one_before_wrote(shelf, serve, server):
    one = act()
    server.say([0], "blue", one)
    server.stop()
    again = serve(shelf)
    again.ready()
    assert again.take_back(id=one) == 200
    assert labels(again, 0) == []


def test_others_see_it(shelf, serve, server):
    other = serve(shelf, "--who", "Bob")
    other.ready()
    one = act()
    server.say([0], "blue", one)
    other.state(lambda state: state["said"] == 1)
    (heard,) = other.crops(0)[0]["said"]
    assert heard["who"] == "Ada"
    assert other.take_back(key=heard["key"]) == 200
    server.state(lambda state: state["said"] == 2)
    assert labels(server, 0) == []
    assert server.get("/api/history")["acts"] == []


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ({}, 400),
        ({"id": "x"}, 400),
        ({"id": "a" * 32, "key": "corrections/1.json"}, 400),
        ({"key": "corrections/1.json"}, 409),
    ],
)
def test_what_nobody_said_is_not_taken_back(shelf, server, named, status):
    assert server.take_back(**named) == status
    assert written(shelf) == []


def test_the_history_is_what_stands_the_newest_first(shelf, server):
    photos = [crop["photo"] for crop in server.crops(0, 1, 2)]
    at = datetime.now(UTC)
    elsewhere = CropOf(photo=photos[1], box=(500, 500, 9, 9))
    record(shelf.store, Correction(images=(photos[2], "0" * 64), label="red", who="Bob", at=at))
    record(shelf.store, Correction(images=(), crops=(elsewhere,), label="red", at=at))
    server.state(lambda state: state["said"] == 2)
    taken = act()
    server.say([0], "red", taken)
    server.take_back(id=taken)
    server.say([1, 0], None)
    history = server.get("/api/history")
    assert history["said"] == 5
    of = ("label", "who", "photos", "crops", "rows")
    assert [tuple(act[name] for name in of) for act in history["acts"]] == [
        (None, "Ada", 0, 2, [1, 0]),
        ("red", None, 0, 1, []),
        ("red", "Bob", 2, 0, [2]),
    ]
    assert {act["dataset"] for act in history["acts"]} == {server.state()["dataset"]}
    assert server.take_back(key=history["acts"][-1]["key"]) == 200
    assert labels(server, 2) == []


def test_of_a_long_history_the_newest_are_told(shelf, server):
    for number in range(205):
        label = ("red", "blue")[number % 2]
        record(shelf.store, Correction(images=("0" * 64,), label=label, at=datetime.now(UTC)))
    server.state(lambda state: state["said"] == 205)
    keys = [act["key"] for act in server.get("/api/history")["acts"]]
    assert keys == sorted(shelf.store.list(FOLDER), reverse=True)[:200]
