"""What is shown, and in which order."""

import asyncio
import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from coralline_core import forgotten, journal
from coralline_core.corrections import Correction, record
from coralline_reviewer.review import Review
from coralline_reviewer.settings import ReviewSettings
from coralline_reviewer.web import application
from PIL import Image
from reviewing import LABELS

MISLABELLED = [("red", "red"), ("red", "blue"), ("blue", "blue"), ("blue", "red"), ("red", "red")]


@pytest.fixture
def review(shelf, serve):
    """A server on crops of which the second and the fourth have the wrong label."""
    shelf.put_crops(MISLABELLED)
    shelf.put_champion()
    server = serve(shelf)
    server.ready()
    return server


def test_what_the_champion_believes_least_comes_first(review):
    assert set(review.list()[:2]) == {1, 3}
    first, *_, last = review.crops(*review.list())
    assert first["thinks"] != first["label"]
    assert first["probability"] > 0.9
    assert last["thinks"] == last["label"]


def test_other_orders_and_filters(review):
    assert review.list(order="stored") == [0, 1, 2, 3, 4]
    assert review.list(order="label") == [2, 3, 0, 1, 4]
    assert review.list(order="stored", label="blue") == [2, 3]
    assert review.list(order="stored", split="train") == [0, 3]
    assert review.list(label="green") == []


def test_a_crop_has_its_page_its_creator_and_its_licence(review):
    (crop,) = review.crops(2)
    assert crop["page_url"] == "https://example.org/2"
    assert (crop["creator"], crop["licence"], crop["split"]) == ("Ada", "by", "test")
    assert crop["box"] == [10, 20, 30, 30]


def test_filters_go_by_what_was_said(review):
    review.say([1], "blue")
    review.say([2], "blue")
    review.say([4], None)
    assert review.list(order="stored", label="blue") == [1, 2, 3]
    assert review.list(order="stored", out="yes") == [4]
    assert review.list(order="stored", seen="yes") == [1, 2, 4]
    assert review.list(order="stored", seen="no") == [0, 3]
    assert review.list(order="stored", seen="changed") == [1, 4]


def test_pictures_are_those_of_the_crops(shelf, serve):
    """From several shards, read in any order, and small once the champion has seen them."""
    dataset = shelf.put_crops([("red", "red"), ("blue", "blue")] * 40)
    assert len(dataset.shards) > 1
    stored = [row["image"]["bytes"] for row in dataset.iter_rows(shelf.store, ["image"])]
    server = serve(shelf)
    server.ready()
    for row in (79, 0, 40, 41, 3):
        status, headers, body = server.ask("GET", f"/api/picture/{dataset.id}/{row}")
        assert (status, headers["Content-Type"], body) == (200, "image/png", stored[row])
    shelf.put_champion()
    other = serve(shelf)
    other.ready()
    _, headers, body = other.ask("GET", f"/api/picture/{dataset.id}/7?small")
    assert headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(body)).size == (32, 32)


def test_without_a_champion_crops_come_as_they_are_stored(shelf, serve):
    shelf.put_crops(MISLABELLED)
    server = serve(shelf)
    assert server.ready()["scoring"] is None
    assert server.list() == [0, 1, 2, 3, 4]
    assert server.crops(0)[0]["thinks"] is None


def test_crops_that_come_are_picked_up(shelf, serve):
    server = serve(shelf)
    state = server.state(lambda state: not state["looking"])
    assert (state["dataset"], state["error"]) == (None, None)
    dataset = shelf.put_crops(MISLABELLED)
    assert server.state(lambda state: state["dataset"])["dataset"] == dataset.id


def test_what_is_shown_is_the_newest(shelf, serve):
    new = shelf.put_crops(MISLABELLED)
    shelf.put_crops(MISLABELLED[:2], saved_at=datetime.now(UTC) - timedelta(days=1))
    assert serve(shelf).ready()["dataset"] == new.id


def forget(shelf, photo):
    notice = forgotten.Notice(by="sha256", value=photo, why="asked", at=datetime.now(UTC))
    journal.append(shelf.store, forgotten.FOLDER, notice)


def test_what_somebody_wanted_gone_is_not_shown_and_rows_stay(shelf, serve):
    dataset = shelf.put_crops(MISLABELLED)
    before = serve(shelf)
    before.ready()
    names = {crop["row"]: crop["photo"] for crop in before.crops(*range(5))}
    forget(shelf, names[1])
    after = serve(shelf)
    after.ready()
    assert after.list() == [0, 2, 3, 4]
    assert {one["row"]: one["photo"] for one in after.crops(*range(5))} == {
        row: photo for row, photo in names.items() if row != 1
    }
    status, _, body = after.ask("GET", f"/api/picture/{dataset.id}/1")
    assert (status, json.loads(body)["error"]) == (410, "somebody wanted this picture gone")


def test_a_server_that_runs_shows_it_no_more(shelf, serve):
    """Neither the picture nor its small copy, and nothing is said of it any more."""
    dataset = shelf.put_crops(MISLABELLED)
    shelf.put_champion()
    server = serve(shelf)
    server.ready()
    place = f"/api/picture/{dataset.id}/1"
    status, headers, _ = server.ask("GET", f"{place}?small")
    assert (status, headers["Cache-Control"]) == (200, "private, max-age=600")
    (crop,) = server.crops(1)
    server.say([1], "blue")
    forget(shelf, crop["photo"])
    deadline = time.monotonic() + 20
    while server.state() and server.ask("GET", place)[0] != 410:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert server.ask("GET", f"{place}?small")[0] == 410
    assert 1 not in server.list()
    assert server.crops(1) == []
    assert server.say([1], "blue") == 410
    assert server.say([0, 1], "blue") == 200
    assert [act["rows"] for act in server.get("/api/history")["acts"]] == [[0], []]


def test_what_was_said_of_a_photo_is_about_its_crops(shelf, serve):
    """Unless a crop was labelled by itself, in a box or by a person."""
    dataset = shelf.put_crops(MISLABELLED, box_label=lambda number: "red" if number == 4 else None)
    photos = [row["source_sha256"] for row in dataset.iter_rows(shelf.store, ["source_sha256"])]
    said = Correction(images=(photos[0], photos[4]), label="blue", at=datetime.now(UTC))
    record(shelf.store, said)
    server = serve(shelf)
    server.ready()
    assert [len(crop["said"]) for crop in server.crops(0, 4)] == [1, 0]
    server.say([0], "red")
    assert [one["label"] for one in server.crops(0)[0]["said"]] == ["blue", "red"]


def test_what_was_said_of_a_crop_outlives_another_margin(shelf, serve):
    shelf.put_crops(MISLABELLED)
    server = serve(shelf)
    server.ready()
    server.say([1], "blue")
    server.stop()
    shelf.put_crops(MISLABELLED, settings={"margin": 0.3}, box=lambda _: [5, 15, 40, 40])
    other = serve(shelf)
    other.ready()
    assert other.list(seen="yes") == [1]


def test_a_store_that_cannot_be_read_is_said(shelf, serve):
    shelf.store.put("datasets/0.json", b"{}")
    state = serve(shelf).state(lambda state: state["error"])
    assert "datasets/0.json: no manifest that this version reads" in state["error"]
    shelf.store.delete("datasets/0.json")
    server = serve(shelf)
    server.state(lambda state: not state["error"])


def test_a_fault_of_ours_is_told_once_and_the_store_is_asked_again(shelf, monkeypatch):
    review = Review(ReviewSettings(labels=LABELS), shelf.store)
    faults = [ZeroDivisionError()]

    def refresh():
        if faults:
            raise faults.pop()

    monkeypatch.setattr(review, "refresh", refresh)
    monkeypatch.setattr("coralline_reviewer.web._FRESH", 0)

    async def ask():
        async with TestClient(TestServer(application(review))) as client:
            found = []
            for _ in range(3):
                await asyncio.sleep(0.1)
                found.append((await client.get("/api/state")).status)
            return found

    assert asyncio.run(ask()) == [500, 200, 200]


def test_a_hundred_crops_a_page_of_many_are_quick(shelf, serve):
    shelf.put_crops([("red", "red"), ("blue", "blue")] * 1000)
    server = serve(shelf)
    server.ready()
    server.say(list(range(500)), "red")
    started = time.monotonic()
    rows = server.list(seen="yes")
    assert len(server.crops(*rows[:100])) == 100
    assert time.monotonic() - started < 2
