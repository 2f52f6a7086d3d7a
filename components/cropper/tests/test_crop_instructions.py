"""What people drew and said counts for the crops that it is about, and for no others."""

import datetime
import hashlib

import cv2
import numpy as np
import pytest
from coralline_core import rows
from coralline_core.corrections import Correction, CropOf, record
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_cropper.crop import crop
from coralline_cropper.cut import Box, Region
from coralline_cropper.instructions import Instructions
from coralline_cropper.settings import CropSettings
from hypothesis import example, given, settings
from hypothesis import strategies as st

LEFT, RIGHT = (10, 20, 40, 40), (60, 20, 40, 40)


def say(store, photo, box, label):
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    record(store, Correction(images=(), crops=(CropOf(photo=photo, box=box),), label=label, at=at))


def heed(said, *boxes):
    regions = [Region(Box(*box)) for box in boxes]
    return Instructions({}, {"photo": said}).heed("photo", regions)


def test_what_was_said_is_about_the_region_that_it_overlaps_most():
    said = heed({LEFT: "hat"}, LEFT, RIGHT)
    assert [region.label for region in said] == ["hat", None]
    wider = heed({LEFT: "hat", RIGHT: None}, (4, 14, 52, 52), (54, 14, 52, 52))
    assert wider[0].label == "hat"
    assert wider[1] is None
    assert [region.label for region in heed({LEFT: "hat"}, RIGHT)] == [None]
    assert heed({LEFT: None}) == []
    nested = heed({LEFT: "hat"}, (8, 18, 44, 44), LEFT)
    assert [region.label for region in nested] == [None, "hat"]
    assert heed({(9, 20, 40, 40): None, LEFT: "hat"}, LEFT)[0].label == "hat", "the last counts"


def test_a_crop_that_was_corrected_is_so_whatever_it_is_cut_with(store, dataset_of, tmp_path):
    rng = np.random.default_rng(0)
    splits = ("train", "test", "train", "validation")
    curated = dataset_of(
        [
            (("cat", "dog")[n % 2], splits[n // 2], rng.integers(0, 256, (100, 120, 3), np.uint8))
            for n in range(8)
        ]
    )
    names = [row["sha256"] for row in curated.iter_rows(store, ["sha256"])]
    file = tmp_path / "boxes.csv"
    lines = [f"{name},{x},20,{x + 40},60" for name in names for x in (10, 60)]
    file.write_text("\n".join(["image,x1,y1,x2,y2", *lines]))

    def cut(**more):
        options = {"mode": "boxes", "boxes": file, "margin": 0, "size": 32, **more}
        dataset, report = crop(CropSettings(**options), curated, store, Progress.silent())
        found = list(dataset.iter_rows(store, ["source_sha256", "crop_index", "label", "split"]))
        by = {(names.index(row["source_sha256"]), row["crop_index"]): row for row in found}
        assert len(by) == len(found) == len(dataset)
        return {key: row["label"] for key, row in by.items()}, report

    plain, _ = cut()
    say(store, names[0], LEFT, "dog")
    say(store, names[0], RIGHT, "a label that the project had")
    say(store, names[3], RIGHT, "cat")
    expected = {**plain, (0, 0): "dog", (3, 1): "cat"}
    del expected[0, 1]
    for margin in (0, 0.2, 0):
        found, report = cut(margin=margin)
        assert found == expected
        assert report.rejected == {"corrected": 1}
    say(store, names[0], LEFT, "cat")
    say(store, names[0], RIGHT, "cat")
    assert cut()[0] == {**plain, (3, 1): "cat"}


BOXES = [(0, 0, 20, 20), (30, 0, 30, 30), (5, 30, 25, 20)]
ONE = st.tuples(st.sampled_from(BOXES), st.sampled_from(["", "cat", "dog"]))
FILE = st.lists(st.lists(ONE, max_size=3), min_size=4, max_size=4)
SAID = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(BOXES), st.sampled_from(["cat", "dog", None])),
    max_size=2,
)
ALWAYS = [((0, 0, 64, 64), label) for label in ("cat", "dog")]


SWAPPED = [(BOXES[1], "cat"), (BOXES[1], "")]


@settings(max_examples=8, deadline=None)
@example(steps=[([[], [], [], lines], [], False) for lines in (SWAPPED, SWAPPED[::-1])])
@given(steps=st.lists(st.tuples(FILE, SAID, st.booleans()), min_size=2, max_size=3))
def test_cropping_again_and_again_gives_what_cropping_once_gives(
    tmp_path_factory, photos_in, steps
):
    folder = tmp_path_factory.mktemp("again")
    store, file = FileStore(folder / "store"), folder / "boxes.csv"
    curated, names = photos_in(store)
    options = CropSettings(mode="boxes", boxes=file, margin=0, min_size=1, size=16)

    def cut(place):
        dataset, report = crop(options, curated, place, Progress.silent())
        columns = ["source_sha256", "crop_index", "sha256", "label", "split"]
        found = [tuple(row.values()) for row in dataset.iter_rows(place, columns)]
        assert len(set(found)) == len(found) == report.crops
        return sorted(found), report.counts, report.rejected

    everything = []
    for at, (boxes, said, without_index) in enumerate(steps):
        lines = [
            f"{name},{x},{y},{x + w},{y + h},{label}"
            for name, of in zip(names, [*boxes, *[ALWAYS] * 2], strict=True)
            for (x, y, w, h), label in of
        ]
        file.write_text("\n".join(["image,x1,y1,x2,y2,label", *lines]))
        everything += said
        for photo, box, label in said:
            say(store, names[photo], box, label)
        if without_index:
            for key in list(store.list("index/")):
                store.delete(key)
        once = FileStore(folder / f"once-{at}")
        photos_in(once)
        for photo, box, label in everything:
            say(once, names[photo], box, label)
        assert cut(store) == cut(once)


@pytest.fixture(scope="module")
def photos_in():
    """Writes six photos into a store, the last two of them with crops of both labels."""
    pictures = [
        cv2.imencode(".png", np.random.default_rng(n).integers(0, 256, (64, 64, 3), np.uint8))[1]
        for n in range(6)
    ]
    splits = ("train", "test", "train", "validation", "train", "test")

    def write(store):
        with ShardWriter(store, rows.IMAGES) as writer:
            for n, (picture, split) in enumerate(zip(pictures, splits, strict=True)):
                sha256 = hashlib.sha256(picture.tobytes()).hexdigest()
                image = {"bytes": picture.tobytes(), "path": f"{n}.png"}
                label = ("cat", "dog")[n % 2]
                writer.add({"image": image, "sha256": sha256, "label": label, "split": split})
        curated = Dataset(kind="curated", shards=tuple(writer.shards), counts=writer.counts)
        return curated, [row["sha256"] for row in curated.iter_rows(store, ["sha256"])]

    return write
