"""Boxes of a CSV file."""

import numpy as np
import pytest
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_cropper.box_file import boxes_by_photo
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropOptions, CropSettings
from pydantic import ValidationError

PHOTOS = [
    {"sha256": "aa", "image_url": "https://photos.test/a/one%20photo.jpg?size=large"},
    {"sha256": "bb", "image_url": "https://photos.test/b/two.jpg"},
    {"sha256": "cc", "image_url": None},
]


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "boxes.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_an_image_is_named_by_file_name_url_or_sha256(file):
    path = file(
        "image,x1,y1,x2,y2,label\n"
        "one photo.jpg,10,20,30,50,hat\n"
        "\n"
        "https://photos.test/b/two.jpg, 1.5, 2, 3, 4,\n"
        "cc,0,0,5,5,\n"
        "aa,0,0,9,9,\n"
        "dropped.jpg,0,0,5,5,hat\n"
    )
    found = boxes_by_photo(path, PHOTOS, ["hat", "no hat"])
    assert {(line.box, line.label) for line in found.pop("aa")} == {
        ((10, 20, 20, 30), "hat"),
        ((0, 0, 9, 9), None),
    }
    assert {sha256: [(line.box, line.label) for line in of] for sha256, of in found.items()} == {
        "bb": [((1.5, 2, 1.5, 2), None)],
        "cc": [((0, 0, 5, 5), None)],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "boxes.csv, line 1: the header is empty"),
        ("aa,1,2,3,4\n", "boxes.csv, line 1: the header is aa,1,2,3,4"),
        ("image,x1,y1,x2,y2\naa,1,2,3\n", "line 2: 4 fields, where the header has 5"),
        ("image,x1,y1,x2,y2\naa,1,2,3,4\naa,1,2,x,4\n", "line 3: not four numbers: 1,2,x,4"),
        ("image,x1,y1,x2,y2\n,1,2,3,4\n", "line 2: no image is named"),
        ("image,x1,y1,x2,y2\naa,3,2,1,4\n", "line 2: not a box: 3,2,1,4"),
        ("image,x1,y1,x2,y2\naa,1,2,3,nan\n", "line 2: not a box: 1,2,3,nan"),
        ("image,x1,y1,x2,y2,label\naa,1,2,3,4,cap\n", "line 2: label 'cap' is none of .*hat"),
        ("image,x1,y1,x2,y2\ndropped.jpg,1,2,3,4\n", "boxes.csv: no line names a photo"),
        (b"image,x1,y1,x2,y2\n\xff\xfe,1,2,3,4\n", "boxes.csv: not CSV in UTF-8"),
    ],
)
def test_a_wrong_line_is_named(file, text, message):
    with pytest.raises(CorallineError, match=message):
        boxes_by_photo(file(text), PHOTOS, ["hat"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CorallineError, match=r"none.csv: No such file"):
        boxes_by_photo(tmp_path / "none.csv", PHOTOS, ["hat"])


def test_a_name_of_two_photos_is_an_error(file):
    path = file("image,x1,y1,x2,y2\ntwo.jpg,1,2,3,4\n")
    photos = [*PHOTOS, {"sha256": "dd", "image_url": "https://elsewhere.test/two.jpg"}]
    with pytest.raises(CorallineError, match=r"line 2: two.jpg is the name of two photos"):
        boxes_by_photo(path, photos, ["hat"])


def photos_with_heads():
    """Eight pictures, each with a bright square at x 20 and one at x 100."""
    for index, split in enumerate(["train", "train", "validation", "test"] * 2):
        picture = np.full((120, 160, 3), index, np.uint8)
        picture[40:80, 20:60] = 150
        picture[40:80, 100:140] = 250
        yield "hat" if index < 4 else "no hat", split, picture


def test_boxes_are_cut_from_left_to_right_with_their_own_labels(dataset_of, store, file):
    lines = [
        f"photo {index}.png,{x},40,{x + 40},80,{label}"
        for index in range(7)
        for x, label in ((100, "no hat"), (20, "hat"))
    ]
    lines += ["photo 7.png,100,40,140,80,", "photo 7.png,0,0,5,5,"]
    path = file("\n".join(["image,x1,y1,x2,y2,label", *lines]))
    settings = CropSettings(mode="boxes", boxes=path, margin=0, min_size=16, size=16)
    dataset, report = crop(settings, dataset_of(photos_with_heads()), store, Progress.silent())
    crops = list(dataset.iter_rows(store))
    assert [(c["box"][0], c["label"]) for c in crops[:2]] == [(20, "hat"), (100, "no hat")]
    assert (crops[-1]["box"], crops[-1]["label"]) == ([100, 40, 40, 40], "no hat")
    assert crops[-1]["crop_index"] == 1  # the small one before it has kept its number
    assert dataset.counts["hat"] == {"train": 4, "validation": 2, "test": 1}
    assert report.rejected == {"too-small": 1}


def test_a_photo_without_a_box_is_counted(dataset_of, store, file):
    lines = [f"photo {index}.png,20,40,60,80" for index in range(8) if index != 5]
    path = file("\n".join(["image,x1,y1,x2,y2", *lines]))
    settings = CropSettings(mode="boxes", boxes=path)
    _, report = crop(settings, dataset_of(photos_with_heads()), store, Progress.silent())
    assert report.rejected_by_label == {"hat": {}, "no hat": {"no-box": 1}}


def test_a_box_outside_its_photo_is_an_error(dataset_of, store, file):
    path = file("image,x1,y1,x2,y2\nphoto 0.png,10,10,20,20\nphoto 1.png,900,40,960,80\n")
    settings = CropSettings(mode="boxes", boxes=path)
    with pytest.raises(CorallineError, match="line 3: the box lies outside its photo of 160x120"):
        crop(settings, dataset_of(photos_with_heads()), store, Progress.silent())


def test_boxes_and_their_mode_belong_together():
    with pytest.raises(ValidationError, match="`mode: boxes` needs `boxes:`"):
        CropSettings(mode="boxes")
    with pytest.raises(ValidationError, match="with `mode: boxes` only"):
        CropSettings(boxes="boxes.csv")


def test_a_box_file_lies_beside_the_project_file(tmp_path):
    (tmp_path / "boxes.csv").touch()
    section = {"mode": "boxes", "boxes": "boxes.csv"}
    read = CropOptions.model_validate(section, context={"folder": tmp_path})
    assert read.boxes == tmp_path / "boxes.csv"
    with pytest.raises(ValidationError, match=r"there is no file .*/elsewhere/boxes.csv"):
        CropOptions.model_validate(section, context={"folder": tmp_path / "elsewhere"})


def test_boxes_that_reach_over_the_borders_are_counted_in_a_warning(dataset_of, store, file):
    lines = [f"photo {index}.png,20,40,60,80" for index in range(8)]
    lines += ["photo 0.png,-1,0,161,121", "photo 1.png,100,40,162,80", "photo 2.png,20,-9,60,80"]
    path = file("\n".join(["image,x1,y1,x2,y2", *lines]))
    settings = CropSettings(mode="boxes", boxes=path, margin=1)  # the margin may reach over
    heard = []
    crop(settings, dataset_of(photos_with_heads()), store, Progress("crop", heard.append))
    assert [event.message for event in heard if event.event == "warning"] == [
        "drawn boxes that reach over their photo's borders and were clipped: 2"
    ]
