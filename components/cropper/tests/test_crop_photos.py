"""Photos to crops: what is written, counted and refused."""

import base64
import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_cropper.crop import crop
from coralline_cropper.decode import decode_image
from coralline_cropper.report import CropReport
from coralline_cropper.settings import CropSettings

SPLITS = ("train", "train", "validation", "test")


@pytest.fixture
def portraits(face):
    """Two labels, four people each, one of them in test."""
    return [
        (label, split, face(person))
        for first, label in ((1, "glasses"), (21, "no glasses"))
        for person, split in enumerate(SPLITS, first)
    ]


@pytest.fixture
def run(store):
    def run(images, **settings):
        heard = []
        progress = Progress("crop", heard.append, interval=0)
        dataset, report = crop(CropSettings(**settings), images, store, progress)
        return dataset, report, list(dataset.iter_rows(store)), heard

    return run


def test_every_portrait_gives_its_face(dataset_of, portraits, run):
    images = dataset_of(portraits)
    dataset, report, crops, heard = run(images)
    assert dataset.kind == "crops"
    assert dataset.parents == (images.id,)
    assert dataset.settings["margin"] == 0.2
    assert dataset.counts == {
        label: {"train": 2, "validation": 1, "test": 1} for label in ("glasses", "no glasses")
    }
    assert [crop["crop_index"] for crop in crops] == [0] * 8
    for row in crops:
        pixels = decode_image(row["image"]["bytes"])
        assert pixels.shape == (96, 96, 3)
        assert (row["width"], row["height"]) == (96, 96)
        assert row["sha256"] == hashlib.sha256(row["image"]["bytes"]).hexdigest()
        assert 0.8 <= row["detector_score"] <= 1
        left, top, width, height = row["box"]
        assert abs(left + width / 2 - 152) < 40  # the middle of the portrait
        assert abs(top + height / 2 - 172) < 50
        assert 150 < width < 304
    assert report.photos == report.crops == 8
    assert report.rejected == {}
    assert report.crops_per_photo == {1: 8}
    assert heard[-1].done == heard[-1].total == 8


def test_a_crop_keeps_what_is_known_of_its_photo(dataset_of, portraits, run, store):
    images = dataset_of(portraits)
    _, _, crops, _ = run(images)
    for photo, row in zip(images.iter_rows(store), crops, strict=True):
        assert row["source_sha256"] == photo["sha256"]
        for column in (
            *("label", "query", "source", "page_url", "image_url", "creator", "licence"),
            *("fetched_at", "group", "split"),
        ):
            assert row[column] == photo[column]


def test_all_faces_of_a_photo_from_left_to_right(dataset_of, portraits, face, run):
    three = np.hstack([face(5), face(6), face(7)])
    _, report, crops, _ = run(dataset_of([*portraits, ("glasses", "train", three)]))
    of_three = crops[8:]
    assert [row["crop_index"] for row in of_three] == [0, 1, 2]
    assert [row["box"][0] // 304 for row in of_three] == [0, 1, 2]
    assert {(row["label"], row["group"], row["split"]) for row in of_three} == {
        ("glasses", "group 8", "train")
    }
    assert len({row["sha256"] for row in of_three}) == 3
    assert report.crops_per_photo == {1: 8, 3: 1}


def test_a_photo_without_a_face_is_counted_and_never_the_last_one_again(
    dataset_of, portraits, landscape, run
):
    photos = [
        photo
        for shade, portrait in enumerate(portraits)
        for photo in (portrait, ("glasses", "train", landscape + np.uint8(shade)))
    ]
    _, report, crops, _ = run(dataset_of(photos))
    assert len({row["source_sha256"] for row in crops}) == len(crops) == 8
    assert report.rejected == {"no-face": 8}
    assert report.rejected_by_label == {"glasses": {"no-face": 8}, "no glasses": {}}
    assert report.crops_per_photo == {0: 8, 1: 8}
    assert len(report.without_crops) == 6


def test_a_small_face_is_counted(dataset_of, portraits, face, run):
    small = cv2.resize(face(5), None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA)
    photos = [*portraits, ("glasses", "train", small)]
    _, report, crops, _ = run(dataset_of(photos))
    assert len(crops) == 8
    assert report.rejected == {"too-small": 1}
    _, report, crops, _ = run(dataset_of(photos), min_size=8)
    assert len(crops) == 9
    assert report.rejected == {}


def test_bytes_that_are_no_picture_are_counted(dataset_of, portraits, run):
    photos = [*portraits, ("glasses", "train", b"<html>"), ("glasses", "test", b"")]
    _, report, crops, _ = run(dataset_of(photos))
    assert len(crops) == 8
    assert report.rejected == {"undecodable": 2}
    assert report.without_crops == []


def test_the_whole_picture(dataset_of, landscape, run):
    photos = [(label, split, landscape) for label in "ab" for split in SPLITS]
    _, report, crops, _ = run(dataset_of(photos), mode="whole", size=64)
    assert {tuple(row["box"]) for row in crops} == {(0, 0, 300, 200)}
    assert {row["detector_score"] for row in crops} == {None}
    assert decode_image(crops[0]["image"]["bytes"]).shape == (64, 64, 3)
    assert report.crops_per_photo == {1: 8}


def test_the_same_photos_give_the_same_dataset(dataset_of, portraits, face, run):
    images = dataset_of([*portraits, ("glasses", "train", np.hstack([face(5), face(6)]))])
    assert run(images)[0].id == run(images)[0].id


def test_a_label_without_crops_for_test_is_an_error(dataset_of, portraits, landscape, run):
    photos = [
        (label, split, landscape if (label, split) == ("glasses", "test") else photo)
        for label, split, photo in portraits
    ]
    with pytest.raises(CorallineError, match=r"label 'glasses': no crop for test .*no-face 1"):
        run(dataset_of(photos))


def test_a_label_without_any_crop_is_an_error(dataset_of, portraits, landscape, run):
    photos = [*portraits, ("hats", "train", landscape), ("hats", "test", b"")]
    with pytest.raises(
        CorallineError,
        match=r"'hats': no crop for train and none for test .*no-face 1, undecodable 1",
    ):
        run(dataset_of(photos))


def test_the_report_shows_crops_of_the_training_split(dataset_of, face, portraits, run, tmp_path):
    photos = [
        *portraits,
        *(("glasses", "train", face(5, image)) for image in range(1, 9)),
        *(("glasses", "train", face(6, image)) for image in range(1, 9)),
    ]
    _, report, _, _ = run(dataset_of(photos), size=224)
    assert {label: len(samples) for label, samples in report.samples.items()} == {
        "glasses": 12,
        "no glasses": 2,
    }
    assert decode_image(base64.b64decode(report.samples["glasses"][0])).shape == (96, 96, 3)
    report.write(tmp_path / "report.json")
    assert CropReport.read(tmp_path / "report.json") == report


def test_the_command(dataset_of, portraits, store, tmp_path):
    dataset_of(portraits).write(tmp_path / "curated.json")
    (tmp_path / "crop.yaml").write_text("size: 32\n")
    outputs = tmp_path / "out" / "crops.json", tmp_path / "out" / "report.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "coralline_cropper", "--settings", tmp_path / "crop.yaml"),
            *("--store", store.root, "--curated", tmp_path / "curated.json"),
            *("--crops", outputs[0], "--report", outputs[1]),
        ],
        check=True,
    )
    dataset = Dataset.read(outputs[0])
    assert len(dataset) == 8
    assert store.get(f"datasets/{dataset.id}.json") is not None
    assert json.loads(outputs[1].read_text())["crops"] == 8


def test_a_label_without_a_crop_for_validation_is_a_warning(dataset_of, portraits, landscape, run):
    photos = [
        (label, split, landscape if (label, split) == ("glasses", "validation") else photo)
        for label, split, photo in portraits
    ]
    _, report, _, heard = run(dataset_of(photos))
    assert "validation" not in report.counts["glasses"]
    warnings = [event.message for event in heard if event.event == "warning"]
    assert warnings == ["glasses has no crop for validation"]
