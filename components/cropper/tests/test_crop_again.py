"""Cropping again: only what was not cut before, under what is decided now."""

import datetime
import json

import pyarrow as pa
import pytest
from coralline_core import journal, rows, selection
from coralline_core.dataset import ShardWriter
from coralline_core.forgotten import FOLDER, Notice
from coralline_core.progress import Progress
from coralline_cropper import crop as crop_module
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings

SPLITS = ("train", "train", "train", "validation", "test")


@pytest.fixture
def photos(dataset_of, face, store):
    """Ten portraits under two labels, in two shards, and the rows of a selection of all of them."""
    everything = [
        (label, split, face(person))
        for first, label in ((1, "glasses"), (21, "no glasses"))
        for person, split in enumerate(SPLITS, first)
    ]
    parts = [dataset_of(everything[:6]), dataset_of(everything[6:])]
    curated = parts[0].model_copy(
        update={
            "shards": tuple(shard for part in parts for shard in part.shards),
            "counts": {"glasses": {}, "no glasses": {}},
        }
    )
    found = [
        {**row, "shard": part.shards[0].key}
        for part in parts
        for row in part.iter_rows(store, ["sha256", "label", "group", "split"])
    ]
    return curated, found


@pytest.fixture
def cut(store, monkeypatch):
    """Cuts those of the photos that a selection names; says which photos were decoded for it."""
    decoded = []
    real = crop_module._cut
    monkeypatch.setattr(
        crop_module,
        "_cut",
        lambda cropper, drawn, photo: (
            decoded.append(photo["sha256"]) or real(cropper, drawn, photo)
        ),
    )

    def cut(curated, found, progress=None, **settings):
        decoded.clear()
        table = pa.Table.from_pylist(found, rows.SELECTION)
        images = curated.model_copy(update={"selection": selection.revise(store, (), table)})
        dataset, report = crop(
            CropSettings(**settings), images, store, progress or Progress.silent()
        )
        crops = list(dataset.iter_rows(store, ["source_sha256", "label", "group", "split"]))
        assert len(crops) == len(dataset) == report.crops
        assert [row["source_sha256"] for row in crops].count(None) == 0
        return dataset, report, {row["source_sha256"]: row for row in crops}, set(decoded)

    return cut


def names(found):
    return {row["sha256"] for row in found}


def test_only_new_photos_are_cut(photos, cut):
    curated, found = photos
    first, *_, decoded = cut(curated, found[1:])
    assert decoded == names(found[1:])
    second, report, crops, decoded = cut(curated, found)
    assert decoded == names(found[:1])
    assert crops.keys() == names(found)
    assert set(first.shards) < set(second.shards)
    assert report.photos == 10
    again, *_, decoded = cut(curated, found)
    assert decoded == set()
    assert again.id == second.id


def test_what_is_decided_anew_needs_no_new_crop(photos, cut):
    curated, found = photos
    cut(curated, found)
    changed = [{**row, "group": "together"} for row in found[1:]]
    changed[0] |= {"label": "no glasses", "split": "test"}
    dataset, report, crops, decoded = cut(curated, changed)
    assert decoded == set()
    assert crops.keys() == names(changed)
    assert {row["group"] for row in crops.values()} == {"together"}
    moved = crops[changed[0]["sha256"]]
    assert (moved["label"], moved["split"]) == ("no glasses", "test")
    assert dataset.counts == report.counts
    assert dataset.counts["no glasses"]["test"] == 2


def test_a_photo_whose_row_was_written_anew_is_cut_anew_with_what_it_says(photos, cut, store):
    curated, found = photos
    cut(curated, found)
    one = found[0]["sha256"]
    old, other = curated.shards
    with ShardWriter(store, rows.IMAGES) as writer:
        for row in curated.model_copy(update={"shards": (old,)}).iter_rows(store):
            writer.add(row | {"creator": "Ann"} if row["sha256"] == one else row)
    moved = curated.model_copy(update={"shards": (*writer.shards, other)})
    new = writer.shards[0].key
    there = [row | {"shard": new} if row["shard"] == old.key else row for row in found]
    dataset, _, crops, decoded = cut(moved, there)
    assert decoded == {row["sha256"] for row in there if row["shard"] == new}
    assert len(decoded) == 6
    by = {row["source_sha256"]: row["creator"] for row in dataset.iter_rows(store)}
    assert by == dict.fromkeys(names(found), "someone") | {one: "Ann"}
    assert crops.keys() == names(found)
    assert cut(moved, there)[3] == set()


def test_other_settings_cut_all_photos_anew(photos, cut):
    curated, found = photos
    cut(curated, found)
    assert cut(curated, found, margin=0.1)[3] == names(found)
    assert cut(curated, found)[3] == set()


def test_another_box_file_cuts_the_photos_anew_whose_boxes_changed(photos, cut, tmp_path):
    curated, found = photos
    boxes = tmp_path / "boxes.csv"
    lines = [f"{row['sha256']},10,10,200,200" for row in found]
    header = "image,x1,y1,x2,y2,label"
    boxes.write_text("\n".join([header, *(f"{line}," for line in lines)]))
    settings = {"mode": "boxes", "boxes": boxes}
    before, *_ = cut(curated, found, **settings)
    assert before.counts["glasses"] == {"train": 3, "validation": 1, "test": 1}
    assert cut(curated, found, **settings)[3] == set()

    boxes.write_text("\n".join([header, f"{lines[0]},no glasses", *(f"{n}," for n in lines[1:])]))
    dataset, report, crops, decoded = cut(curated, found, **settings)
    assert decoded == names(found[:1])
    assert not set(before.shards) & set(dataset.shards), "one of them held the crop of before"
    assert crops[found[0]["sha256"]]["label"] == "no glasses"
    assert dataset.counts["no glasses"]["train"] == 4
    assert report.crops_per_photo == {1: 10}

    boxes.write_text("\n".join([header, *(f"{line}," for line in reversed(lines))]))
    assert cut(curated, found, **settings)[3] == names(found[:1]), "the order does not count"


def test_a_cropper_that_dies_before_it_cuts_anew_leaves_nothing_of_before(
    photos, cut, store, tmp_path, monkeypatch
):
    curated, found = photos
    boxes = tmp_path / "boxes.csv"
    lines = [f"{row['sha256']},10,10,200,200" for row in found]
    boxes.write_text("\n".join(["image,x1,y1,x2,y2", *lines]))
    cut(curated, found, mode="boxes", boxes=boxes)
    boxes.write_text("\n".join(["image,x1,y1,x2,y2", lines[0].replace("200", "150"), *lines[1:]]))
    with monkeypatch.context() as patch:
        patch.setattr(crop_module, "_cut_all", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cut(curated, found, mode="boxes", boxes=boxes)
    dataset, *_, decoded = cut(curated, found, mode="boxes", boxes=boxes)
    assert decoded == names(found[:1])
    found_boxes = {row["source_sha256"]: row["box"] for row in dataset.iter_rows(store)}
    assert found_boxes.pop(found[0]["sha256"]) == [0, 0, 178, 178]
    assert set(map(tuple, found_boxes.values())) == {(0, 0, 238, 238)}


@pytest.mark.parametrize("when", [2, 5, 9])
def test_a_cropper_that_dies_goes_on_where_its_last_shard_ended(photos, cut, monkeypatch, when):
    curated, found = photos
    whole = cut(curated, found, min_size=33)[2]

    class SmallShards(ShardWriter):
        def __init__(self, store, schema):
            super().__init__(store, schema, shard_bytes=1)  # every crop is a shard

    class DiedError(Exception):
        pass

    real, count = crop_module._row, iter(range(100))

    def dies(*photo):
        if next(count) == when:
            raise DiedError
        return real(*photo)

    with monkeypatch.context() as patch:
        patch.setattr(crop_module, "ShardWriter", SmallShards)
        patch.setattr(crop_module, "_row", dies)
        patch.setattr(crop_module, "_WORKERS", 1)
        with pytest.raises(DiedError):
            cut(curated, found)
    _, report, crops, decoded = cut(curated, found)
    assert report.photos == 10
    assert crops == whole
    done = 10 - len(decoded)
    assert when - 5 <= done <= when, "but for the few that were on their way"
    assert when < 9 or done > 0


def test_a_lost_shard_of_crops_is_cut_anew(photos, cut, store):
    curated, found = photos
    dataset, *_ = cut(curated, found)
    store.delete(dataset.shards[0].key)
    again, _, crops, decoded = cut(curated, found)
    assert decoded == names(found)
    assert crops.keys() == names(found)
    assert again.shards == dataset.shards, "the same photos give the same shard"
    for index in list(store.list("index/")):
        store.delete(index)
    assert cut(curated, found)[3] == set()


def test_a_forgotten_photo_leaves_no_crop_in_a_shard_of_the_dataset(photos, cut, store):
    curated, found = photos
    before, *_ = cut(curated, found)
    gone = found[0]["sha256"]
    notice = Notice(
        by="sha256", value=gone, why="asked", at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    )
    journal.append(store, FOLDER, notice)
    after, _, crops, _ = cut(curated, found[1:])
    assert crops.keys() == names(found[1:])
    assert not set(before.shards) & set(after.shards)
    whole = after.model_copy(update={"selection": ()})
    assert gone not in {row["source_sha256"] for row in whole.iter_rows(store, ["source_sha256"])}
    for index in list(store.list("index/")):
        store.delete(index)
    assert cut(curated, found[1:])[3] == set(), "the records alone say the same"


def test_two_croppers_at_once_leave_each_crop_once(photos, cut, store):
    curated, found = photos
    cut(curated, found)
    (index,) = store.list("index/crops-")
    (record,) = store.list("crops/")
    store.put(record.replace(".json", "0.json"), store.get(record).data)
    store.delete(index)
    _, _, crops, decoded = cut(curated, found)
    assert crops.keys() == names(found)
    assert decoded == set()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100])
def test_an_index_that_cannot_be_read_is_made_anew(photos, cut, store, content):
    curated, found = photos
    before, *_ = cut(curated, found)
    (index,) = store.list("index/crops-")
    store.put(index, content)
    heard = []
    again, _, _, decoded = cut(curated, found, Progress("crop", heard.append))
    assert decoded == set()
    assert again.id == before.id
    assert any("cannot be read" in event.message for event in heard)


def test_a_record_says_what_became_of_each_photo(photos, cut, store):
    curated, found = photos
    cut(curated, found)
    (key,) = store.list("crops/")
    told = json.loads(store.get(key).data)
    assert {photo["sha256"] for photo in told["photos"]} == names(found)
    assert all(photo["crops"] == 1 for photo in told["photos"])
