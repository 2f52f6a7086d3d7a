"""What the champion makes of crops, and what becomes of one that is broken."""

import hashlib
import json
import tempfile
import time

import pytest
from coralline_core.errors import CorallineError
from coralline_reviewer.champion import Champion
from coralline_reviewer.crops import Crops
from coralline_reviewer.doubts import Doubts
from reviewing import picture

MISLABELLED = [("red", "red"), ("red", "blue"), ("blue", "blue"), ("blue", "red"), ("red", "red")]


def test_a_champion_of_other_crops_is_not_asked(shelf, serve):
    shelf.put_crops(MISLABELLED, settings={"size": 48})
    shelf.put_champion()
    scoring = serve(shelf).state(lambda state: state["scoring"])["scoring"]
    assert "the champion takes crops of 32 px, and these have 48" in scoring["error"]
    assert scoring["done"] == 0


def test_a_champion_with_other_labels_doubts_what_it_knows(shelf, serve):
    shelf.put_crops([("green", "red"), *MISLABELLED])
    shelf.put_champion()
    server = serve(shelf, labels=("blue", "green", "red"))
    server.ready()
    assert set(server.list()[:2]) == {2, 4}
    assert server.list()[-1] == 0  # of green it has never heard


def test_a_broken_champion_is_said_and_crops_are_shown(shelf, serve):
    shelf.put_crops(MISLABELLED)
    shelf.store.put("champion.json", json.dumps({"version": "v9"}).encode())
    server = serve(shelf)
    assert "models/v9: the champion cannot be used" in server.state(lambda s: s["error"])["error"]
    assert server.list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("model_int8.tflite", b"TFL3" * 99, "models/v1: the champion cannot be used: "),
        ("SHA256SUMS", b"00  model_int8.tflite\n", "model_int8.tflite is not what SHA256SUMS says"),
    ],
)
def test_a_damaged_champion_is_said_and_goes_on_being_said(shelf, serve, name, data, says):
    shelf.put_crops(MISLABELLED)
    shelf.put_champion()
    shelf.store.put(f"models/v1/{name}", data)
    server = serve(shelf)
    assert says in server.state(lambda state: state["error"])["error"]
    time.sleep(5)  # it has asked the store again
    assert says in server.state()["error"]
    assert server.list() == [0, 1, 2, 3, 4]


def test_a_champion_that_is_what_its_checksums_say_is_asked(shelf, serve):
    shelf.put_crops(MISLABELLED)
    shelf.put_champion()
    model = shelf.store.get("models/v1/model_int8.tflite").data
    line = f"{hashlib.sha256(model).hexdigest()}  model_int8.tflite\n"
    shelf.store.put("models/v1/SHA256SUMS", b"0  other\n" + line.encode())
    assert serve(shelf).ready()["scoring"]["done"] == 5


def test_a_crop_that_cannot_be_opened_is_passed_over(shelf, serve):
    broken = {"bytes": b"\x89PNG no picture", "path": "1.png"}
    good = {"bytes": picture("red", 9), "path": "9.png"}
    shelf.put_crops(MISLABELLED, image=lambda number: broken if number == 1 else good)
    shelf.put_champion()
    server = serve(shelf)
    scoring = server.ready()["scoring"]
    assert (scoring["done"], scoring["error"]) == (5, "1 crops cannot be opened: coralline verify")
    assert server.list()[-1] == 1
    assert [crop["thinks"] for crop in server.crops(0, 1)] == ["red", None]


def test_a_champion_that_fails_is_said(shelf, serve):
    """It has a label more than it gives probabilities for."""
    shelf.put_crops(MISLABELLED)
    shelf.put_champion(labels=("blue", "green", "red"))
    state = serve(shelf).state(lambda state: state["scoring"] and state["scoring"]["error"])
    assert state["scoring"]["error"].startswith("the champion failed: ValueError: ")


def test_without_a_place_for_temporary_files_there_are_no_doubts(shelf, monkeypatch):
    dataset = shelf.put_crops(MISLABELLED)
    shelf.put_champion()
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(CorallineError, match="/nowhere: cannot write a temporary file: No such"):
        Doubts(Crops(dataset, shelf.store), Champion.load(shelf.store, "v1"))
