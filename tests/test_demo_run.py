"""The demo, from its queries to a published model; then once more, and the model at work."""

import json
import re
import subprocess

import pytest
from coralline_core.dataset import Dataset
from coralline_core.store import FileStore
from coralline_demo import faces


@pytest.fixture(scope="module")
def first(workplace, glasses, asked):
    """A workplace in which the demo was run, what the command said, and what it asked for."""
    place = workplace(glasses())
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place, done, asked()


@pytest.fixture(scope="module")
def summary(first):
    return first[0].summary


def test_every_bad_image_is_caught(summary):
    assert summary["images"] == {
        "crawled": 427,
        "fetched": 412,
        "kept": 400,
        "rejected": {
            "bad-scheme": 1,
            "duplicate": 4,
            "near-duplicate": 6,
            "no-face": 2,
            "noai": 1,
            "not-an-image": 2,
            "not-found": 2,
            "robots": 1,
            "too-many-pixels": 1,
            "too-small": 1,
            "truncated": 2,
            "two-labels": 4,
        },
    }


def test_the_model_is_good_on_people_that_it_never_saw(summary):
    int8, floats = summary["test"]["int8"], summary["test"]["float"]
    assert int8["n"] == floats["n"] >= 50
    assert floats["accuracy"] >= 0.93
    assert int8["accuracy"] >= floats["accuracy"] - 0.01
    assert summary["test"]["agreement"] >= 0.98
    low, high = int8["interval"]
    assert 0 < low <= int8["accuracy"] <= high <= 1


def test_no_person_is_in_two_splits(first, summary):
    place, _, _ = first
    crops = Dataset.model_validate_json(
        (place.store / "datasets" / f"{summary['dataset']}.json").read_bytes()
    )
    splits, labels = {}, {}
    columns = ["image_url", "split", "label"]
    for row in crops.iter_rows(FileStore(place.store), columns):
        # Whatever a photo's page, a repost's too, its file is named by the person.
        person = re.search(r"-(\d+)-\d+\.jpg$", row["image_url"])[1]
        splits.setdefault(person, set()).add(row["split"])
        name = re.fullmatch(r".*/person-(\d+)-(\d+)\.jpg", row["image_url"])
        if name:
            labels[(int(name[1]) - 1) * 10 + int(name[2]) - 1] = row["label"]
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert {index for index, label in labels.items() if label == "glasses"} <= faces.GLASSES
    assert len(labels) > 380


def test_every_op_goes_to_the_accelerators(summary):
    edgetpu, ethos, micro = summary["targets"]
    assert (edgetpu["name"], edgetpu["compiled"], edgetpu["mapped_share"]) == ("edgetpu", False, 1)
    assert "edgetpu_compiler is not installed" in edgetpu["reasons"][0]
    assert (ethos["name"], ethos["compiled"], ethos["mapped_share"]) == ("ethos-u55-256", True, 1)
    assert (micro["name"], micro["compiled"], micro["reasons"]) == ("tflite-micro", True, [])


def test_the_model_folder_is_whole_and_the_champion(first, summary):
    place, _, _ = first
    model = place.latest / "model"
    assert summary["model"] == str(model.resolve())
    for folder in (model, place.store / "models" / summary["version"]):
        check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
        assert subprocess.run(check, cwd=folder, check=False).returncode == 0
        assert (folder / "labels.txt").read_text() == "glasses\nno-glasses\n"
    champion = json.loads((place.store / "champion.json").read_text())
    assert champion["version"] == summary["version"]
    assert summary["published"] is True


def test_the_page_needs_nothing_but_itself(first):
    place, _, _ = first
    page = (place.latest / "report.html").read_text()
    asked_for = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:|#)([^\"')\s>]+)", page)
    assert asked_for == []
    assert "<script" not in page
    for said in ("near-duplicate", "Grad-CAM", "ethos-u55-256", "http://127.0.0.1"):
        assert said in page


def test_plain_lines_tell_of_each_step(first):
    _, done, _ = first
    for step in ("crawl", "curate", "crop", "train", "convert", "compile", "publish"):
        assert re.search(rf"^{step} +started$", done.stdout, re.MULTILINE)
        assert re.search(rf"^{step} +done in [\d.]+ s: .*\d.*$", done.stdout, re.MULTILINE)
    assert re.search(r"^report +runs/\w+/report.html$", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_steps_say_their_seconds(summary):
    steps = ["crawl", "curate", "crop", "train", "convert", "compile", "publish"]
    assert list(summary["seconds"]) == steps
    assert all(seconds > 0 for seconds in summary["seconds"].values())


def test_the_model_finds_and_names_faces(first, tmp_path):
    place, _, _ = first
    photos = {}
    for index, name in ((15, "with"), (205, "without")):
        photos[name] = tmp_path / f"{name}.jpg"
        photos[name].write_bytes(faces.jpeg(faces.photo(index)))
    done = place.command(
        "predict", "runs/latest/model", *photos.values(), "--json", "--draw", tmp_path / "seen"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["label"] for one in found] == ["glasses", "no-glasses"]
    assert all(one["probability"] > 0.5 for one in found)
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {
        "with-predicted.jpg",
        "without-predicted.jpg",
    }


def test_a_second_run_fetches_nothing_and_ends_with_the_same_dataset(first, summary, asked):
    place, _, asked_before = first
    photos = asked_before
    done = place.run()
    assert done.returncode == 0, done.stderr
    again = place.summary
    assert asked() == photos
    assert again["dataset"] == summary["dataset"]
    assert again["images"] == {**summary["images"], "fetched": 0}
    assert again["test"] == summary["test"]
    assert again["version"] == summary["version"]
    assert again["published"] is True
    assert len(list((place.store / "models").iterdir())) == 1
