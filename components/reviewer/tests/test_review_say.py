"""What is said is in the store before the page says so, and nothing of it is lost."""

import http.client
import json
import signal
import threading
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from coralline_core.corrections import FOLDER, Correction, CropOf, corrected_crops, record

CROPS = [("red", "red"), ("red", "blue"), ("blue", "blue")]
BOX = (10, 20, 30, 30)


@pytest.fixture(params=["file", "s3"])
def place(request, shelf_at, tmp_path):
    """Crops in a folder, and in SeaweedFS."""
    address = (tmp_path / "store").as_uri()
    shelf = shelf_at(request.getfixturevalue("s3_address") if request.param == "s3" else address)
    shelf.put_crops(CROPS)
    return shelf


def out_with(server, row):
    """What somebody elsewhere says: that a crop shows none of the labels."""
    crop = CropOf(photo=server.crops(row)[0]["photo"], box=BOX)
    return Correction(images=(), crops=(crop,), label=None, at=datetime.now(UTC))


def photos(shelf, server):
    return [crop["photo"] for crop in server.crops(*range(len(CROPS)))]


def test_what_is_said_is_what_the_next_run_hears(place, serve):
    server = serve(place, "--who", "Ada")
    server.ready()
    names = photos(place, server)
    assert server.say([1], "blue") == 200
    assert server.say([0, 2], None) == 200
    assert corrected_crops(place.store) == {
        names[1]: {BOX: "blue"},
        names[0]: {BOX: None},
        names[2]: {BOX: None},
    }
    assert [crop["said"][-1]["who"] for crop in server.crops(0, 1, 2)] == ["Ada"] * 3
    server.stop()
    again = serve(place)
    again.ready()
    assert [crop["said"][-1]["label"] for crop in again.crops(0, 1, 2)] == [None, "blue", None]


def test_of_two_people_the_later_counts_and_both_see_it(shelf, serve):
    shelf.put_crops(CROPS)
    one, other = serve(shelf, "--who", "Ada"), serve(shelf, "--who", "Bob")
    one.ready(), other.ready()
    one.say([0], "blue")
    other.say([0], None)
    for server in (one, other):
        server.state(lambda state: state["said"] == 2)
        said = server.crops(0)[0]["said"]
        assert [(one["who"], one["label"]) for one in said] == [("Ada", "blue"), ("Bob", None)]


def test_a_correction_that_comes_late_is_heard(shelf, serve):
    """Its name is of when its writer began, and another's was there before it."""
    shelf.put_crops(CROPS)
    server = serve(shelf)
    server.ready()
    server.say([0], "blue")
    late = out_with(server, 1)
    name = f"{datetime.now(UTC) - timedelta(minutes=2):%Y%m%dT%H%M%S.%f}-late.json"
    shelf.store.put(FOLDER + name, late.model_dump_json().encode())
    server.state(lambda state: state["said"] == 2)
    assert server.list(out="yes") == [1]


def test_a_clock_that_is_ahead_hides_nothing(shelf, serve):
    shelf.put_crops(CROPS)
    server = serve(shelf)
    server.ready()
    of = out_with(server, 1)
    ahead = f"{datetime.now(UTC) + timedelta(hours=1):%Y%m%dT%H%M%S.%f}-ahead.json"
    shelf.store.put(FOLDER + ahead, of.model_dump_json().encode())
    server.state(lambda state: state["said"] == 1)
    server.say([1], "blue")
    record(shelf.store, of)
    server.state(lambda state: state["said"] == 3)
    assert [one["label"] for one in server.crops(1)[0]["said"]] == [None, "blue", None]


def test_what_the_store_does_not_take_is_said_and_can_be_said_again(shelf, serve, tmp_path):
    shelf.put_crops(CROPS)
    server = serve(shelf)
    dataset = server.ready()["dataset"]
    (tmp_path / "store" / "corrections").write_text("in the way")
    message = {"dataset": dataset, "rows": [0], "label": "blue", "id": "a" * 32}
    status, _, body = server.ask("POST", "/api/say", message)
    assert status == 503
    assert json.loads(body)["error"]
    assert server.list(seen="yes") == []
    (tmp_path / "store" / "corrections").unlink()
    assert server.ask("POST", "/api/say", message)[0] == 200
    assert server.list(seen="yes") == [0]
    assert len([*shelf.store.list(FOLDER)]) == 1


def test_a_store_that_went_away_is_not_made_anew(shelf, serve, tmp_path):
    shelf.put_crops(CROPS)
    server = serve(shelf)
    server.ready()
    assert server.say([0], "blue", "a" * 32) == 200
    (tmp_path / "store").rename(tmp_path / "away")
    message = {"dataset": server.state()["dataset"], "rows": [1], "label": "blue", "id": "b" * 32}
    status, _, body = server.ask("POST", "/api/say", message)
    assert status == 503
    assert "the store has these crops no more" in json.loads(body)["error"]
    assert server.take_back(id="a" * 32) == 503
    assert not (tmp_path / "store").exists()
    (tmp_path / "away").rename(tmp_path / "store")
    assert server.ask("POST", "/api/say", message)[0] == 200


def test_of_a_server_that_is_killed_every_answer_was_true(shelf, serve):
    shelf.put_crops(CROPS)
    server = serve(shelf)
    server.ready()
    answered, enough = [], threading.Event()

    def talk():
        try:
            while server.say([len(answered) % 3], "blue") == 200:
                answered.append(1)
                if len(answered) == 20:
                    enough.set()
        except OSError:
            pass

    talking = [threading.Thread(target=talk) for _ in range(3)]
    for one in talking:
        one.start()
    assert enough.wait(20)
    server.stop(signal.SIGKILL)
    for one in talking:
        one.join()
    kept = [*shelf.store.list(FOLDER)]
    assert len(answered) <= len(kept) <= len(answered) + len(talking)
    assert len(corrected_crops(shelf.store)) == 3  # all can be read


def test_a_page_of_crops_that_are_not_held_is_told_so(shelf, serve):
    shelf.put_crops(CROPS)
    server = serve(shelf)
    server.ready()
    unknown = {"dataset": "0" * 16, "rows": [0], "label": "blue", "id": "a" * 32}
    status, _, body = server.ask("POST", "/api/say", unknown)
    assert (status, json.loads(body)["error"]) == (
        409,
        "there are newer crops: load the page again",
    )


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"label": "green"}, 409),
        ({"rows": [2]}, 409),
        ({"rows": [-1]}, 400),
        ({"rows": []}, 400),
        ({"rows": list(range(501))}, 400),
        ({"why": "not asked for"}, 400),
        ({"label": 7}, 400),
        ({"id": "a" * 31}, 400),
        ({"id": None}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(standing, change, status):
    shelf, server = standing
    message = {"dataset": server.state()["dataset"], "rows": [0], "label": "blue"}
    message |= {"id": "a" * 32} | change
    assert server.ask("POST", "/api/say", message)[0] == status
    assert not [*shelf.store.list(FOLDER)]


def test_what_was_sent_before_the_end_is_written(shelf, serve):
    """Though it waits for what was sent before it."""
    shelf.put_crops(CROPS)
    server = serve(shelf)
    dataset = server.ready()["dataset"]
    address = urlsplit(server.url)
    pages = [http.client.HTTPConnection(address.hostname, address.port) for _ in range(60)]
    for page in pages:
        page.request("GET", "/healthz")
        page.getresponse().read()
    for page in pages:
        message = {"dataset": dataset, "rows": [0], "label": "blue", "id": uuid.uuid4().hex}
        headers = {"Content-Type": "application/json"}
        page.request("POST", "/api/say", json.dumps(message), headers)
    pages[0].getresponse().read()
    server.process.send_signal(signal.SIGTERM)
    assert [page.getresponse().status for page in pages[1:]] == [200] * 59
    assert server.process.wait(10) == 0
    assert len([*shelf.store.list(FOLDER)]) == 60
