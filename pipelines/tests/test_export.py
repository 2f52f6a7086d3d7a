"""Exports, read by what their users read them with."""

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import datasets as hf
import numpy as np
import pytest
from coralline.export import export
from coralline.export.work import Work
from coralline_core import rows
from coralline_core.dataset import ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from PIL import Image
from pycocotools.coco import COCO

FORMATS = ("folder", "hf", "coco", "csv")
ATTRIBUTION = ("creator", "licence", "page_url", "image_url")


@pytest.fixture
def photos(album):
    """Of two labels in three splits, in three shards."""
    splits = ("train", "train", "validation", "test")
    made = [
        album.photo(8 * n + at, label, splits[at % 4], creator=None if at == 1 else 'Ann, "A"')
        for n, label in enumerate(("cat", "a dog"))
        for at in range(8)
    ]
    album.curated(made[:5])
    album.curated(made[:11])
    return made


@pytest.fixture
def curated(album, photos):
    dataset = album.curated(photos)
    assert len(dataset.shards) == 3
    return dataset


@pytest.fixture
def boxes(album, curated, photos, tmp_path):
    """Crops by two boxes in each photo but one."""
    file = tmp_path / "boxes.csv"
    lines = [f"{p['sha256']},{x},10,{x + 20},30" for p in photos[1:] for x in (5, 40)]
    file.write_text("\n".join(["image,x1,y1,x2,y2", *lines]))
    return album.crops(curated, mode="boxes", boxes=file, margin=0, min_size=1)


@pytest.fixture
def write(album, tmp_path):
    def write(dataset, to, name="out"):
        export(album.store, dataset, to, tmp_path / name, Progress.silent())
        return tmp_path / name

    return write


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Hugging Face's `load_dataset`, without a network and with a cache of its own."""
    monkeypatch.setattr(hf.config, "HF_HUB_OFFLINE", True)
    hf.disable_progress_bars()
    return lambda *names, **options: hf.load_dataset(
        *map(str, names), cache_dir=str(tmp_path / "cache"), **options
    )


def tree(folder):
    """Every file below a folder, or the file itself, with its bytes."""
    if folder.is_file():
        return folder.read_bytes()
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def lines(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_has_every_photo_as_it_was_by_split_and_label(write, curated, photos):
    out = write(curated, "folder")
    written = tree(out)
    for photo in photos:
        name = f"{photo['split']}/{photo['label']}/{photo['sha256']}.jpg"
        assert written.pop(name) == photo["image"]["bytes"]
    assert sorted(written) == [f"{split}/metadata.csv" for split in sorted(rows.SPLITS)]
    by_name = {
        f"{split}/{line['file_name']}": line
        for split in rows.SPLITS
        for line in lines(out / split / "metadata.csv")
    }
    assert len(by_name) == len(photos)
    for photo in photos:
        line = by_name[f"{photo['split']}/{photo['label']}/{photo['sha256']}.jpg"]
        assert {name: line[name] or None for name in ATTRIBUTION} == {
            name: photo[name] for name in ATTRIBUTION
        }


def test_a_folder_loads_as_an_imagefolder_with_attribution(write, load, curated, photos):
    loaded = load("imagefolder", data_dir=write(curated, "folder"))
    assert {split: len(part) for split, part in loaded.items()} == {
        "train": 8,
        "validation": 4,
        "test": 4,
    }
    by_sha = {photo["sha256"]: photo for photo in photos}
    for row in loaded["train"]:
        photo = by_sha[row["sha256"]]
        assert row["label"] == photo["label"]
        assert row["image"].size == (80, 60)
        assert row["creator"] == photo["creator"]


def test_crops_of_a_folder_are_named_by_photo_and_place(write, boxes, photos):
    out = write(boxes, "folder")
    found = {path.name for path in out.rglob("*.png")}
    assert found == {f"{p['sha256']}-{at}.png" for p in photos[1:] for at in (0, 1)}
    line = lines(out / "train" / "metadata.csv")[0]
    assert (line["x1"], line["y1"], line["x2"], line["y2"]) == ("5", "10", "25", "30")
    assert line["page_url"].startswith("https://example.org/page/")


def test_images_that_were_not_curated_have_no_split(album, write, load, photos):
    images = album.images(photos)
    out = write(images, "folder")
    assert (out / "a dog" / f"{photos[-1]['sha256']}.jpg").is_file()
    assert len(load("imagefolder", data_dir=out)["train"]) == len(photos)
    assert list(load(write(images, "hf", "hf"))) == ["train"]
    coco = COCO(write(images, "coco", "coco") / "annotations" / "instances_all.json")
    assert len(coco.imgs) == len(photos)


@pytest.mark.parametrize("kind", ["curated", "boxes"])
def test_parquet_loads_with_pictures_class_labels_and_attribution(
    kind, request, write, load, photos
):
    dataset = request.getfixturevalue(kind)
    out = write(dataset, "hf")
    loaded = load(out)
    assert {split: len(part) for split, part in loaded.items()} == {
        split: sum(by.get(split, 0) for by in dataset.counts.values()) for split in rows.SPLITS
    }
    features = loaded["train"].features
    assert isinstance(features["image"], hf.Image)
    assert features["label"].names == ["a dog", "cat"]
    by_sha = {photo["sha256"]: photo for photo in photos}
    for row in loaded["train"]:
        photo = by_sha[row["source_sha256" if kind == "boxes" else "sha256"]]
        assert features["label"].int2str(row["label"]) == photo["label"]
        assert {name: row[name] for name in ATTRIBUTION} == {n: photo[n] for n in ATTRIBUTION}
        if kind == "boxes":
            assert row["box"] in ([5, 10, 20, 20], [40, 10, 20, 20])
    card = (out / "README.md").read_text()
    assert f"| by 4.0 | {len(dataset)} |" in card


def test_coco_has_the_photos_and_where_their_crops_are(write, boxes, photos):
    out = write(boxes, "coco")
    found = {}
    for split in rows.SPLITS:
        coco = COCO(out / "annotations" / f"instances_{split}.json")
        names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
        licences = {one["id"]: one["name"] for one in coco.dataset["licenses"]}
        for image in coco.imgs.values():
            data = (out / split / image["file_name"]).read_bytes()
            seen = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            found[image["sha256"]] = data, split, {names[one["category_id"]] for one in seen}
            assert sorted(one["bbox"] for one in seen) == [[5, 10, 20, 20], [40, 10, 20, 20]]
            assert [one["area"] for one in seen] == [400, 400]
            assert (image["width"], image["height"]) == Image.open(io.BytesIO(data)).size
            assert licences[image["license"]] == "by 4.0"
            assert image["coco_url"].startswith("https://example.org/")
        assert len(coco.anns) == 2 * len(coco.imgs)
    assert found == {
        p["sha256"]: (p["image"]["bytes"], p["split"], {p["label"]}) for p in photos[1:]
    }


def test_coco_has_a_box_around_what_was_not_cropped(write, curated):
    coco = COCO(write(curated, "coco") / "annotations" / "instances_test.json")
    assert [one["bbox"] for one in coco.anns.values()] == [[0, 0, 80, 60]] * 4


def test_coco_turns_photos_that_exif_turns(album, write):
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40] = 255  # its left half; its upper half once it is turned
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif)
    turned = album.photo(1) | {"width": 60, "height": 80}
    turned["image"] = {**turned["image"], "bytes": file.getvalue()}
    out = write(album.curated([turned]), "coco")
    (image,) = COCO(out / "annotations" / "instances_train.json").imgs.values()
    with Image.open(out / "train" / image["file_name"]) as seen:
        assert seen.size == (image["width"], image["height"]) == (60, 80)
        assert seen.getexif().get(0x0112, 1) == 1
        assert seen.getpixel((30, 10)) > (250, 250, 250)
        assert seen.getpixel((30, 70)) < (5, 5, 5)


def test_crops_whose_photos_have_gone_are_no_coco(album, boxes, curated, write, tmp_path):
    album.store.delete(f"datasets/{curated.id}.json")
    with pytest.raises(CorallineError, match="the photos are not known"):
        write(boxes, "coco")
    assert not (tmp_path / "out").exists()


def test_a_table_has_a_line_a_row(write, curated, photos):
    found = {line["sha256"]: line for line in lines(write(curated, "csv"))}
    assert len(found) == len(photos)
    for photo in photos:
        line = found[photo["sha256"]]
        for name in ("label", "split", *ATTRIBUTION):
            assert line[name] == (photo[name] or "")
        assert line["fetched_at"].startswith("2026-01-02 03:04:05")


@pytest.mark.parametrize("to", FORMATS)
def test_an_image_in_two_shards_is_exported_once(album, write, photos, to):
    curated = album.curated(photos)
    with ShardWriter(album.store, rows.IMAGES) as writer:
        writer.add(photos[0] | {"label": "found under another, too"})
    twice = curated.model_copy(update={"shards": (*curated.shards, *writer.shards)})
    one, other = tree(write(curated, to, "once")), tree(write(twice, to, "twice"))
    if to == "hf":  # the card names the dataset
        del one["README.md"], other["README.md"]
    if to == "coco":
        one, other = (sorted(written) for written in (one, other))
    assert one == other


_KILLED = """
import os, signal
from coralline.cli import main
from coralline.export.work import Work
plain = Work.finish_shard
def finish_shard(self, key):
    if self.done:
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, key)
Work.finish_shard = finish_shard
main()
"""
"""The command, which is killed when its second shard is written and not noted yet."""


@pytest.mark.parametrize("to", ["folder", "hf", "coco"])
def test_an_export_that_was_killed_goes_on_where_it_was(
    album, write, curated, to, tmp_path, monkeypatch
):
    whole = tree(write(curated, to, "whole"))
    command = [sys.executable, "-c", _KILLED, "export", album.store.uri, curated.id]
    command += ["--to", to, "killed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "killed").exists()
    finished = []
    plain = Work.finish_shard
    monkeypatch.setattr(
        Work, "finish_shard", lambda work, key: finished.append(key) or plain(work, key)
    )
    assert tree(write(curated, to, "killed")) == whole
    assert finished == [shard.key for shard in curated.shards[1:]]
    assert not (tmp_path / "killed.unfinished").exists()


def test_nothing_that_is_there_is_overwritten(album, write, curated, tmp_path):
    (tmp_path / "out").mkdir()
    write(curated, "folder")  # an empty folder is nothing
    before = tree(tmp_path / "out")
    for to in FORMATS:
        with pytest.raises(CorallineError, match="something is there already"):
            write(curated, to)
    assert tree(tmp_path / "out") == before
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(CorallineError, match="something is there already"):
        write(curated, "csv", "dangling")


def test_what_is_in_the_way_of_an_unfinished_export_stays(write, curated, tmp_path):
    there = tmp_path / "out.unfinished"
    there.mkdir()
    (there / "mine").write_text("of value")
    with pytest.raises(CorallineError, match="it is in the way"):
        write(curated, "folder")
    assert (there / "mine").read_text() == "of value"


def test_an_unfinished_export_is_not_mixed_with_another(album, write, curated, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(curated, "folder")
    with pytest.raises(CorallineError, match=f"the unfinished export of {curated.id} to folder"):
        write(curated, "hf")
    write(curated, "folder")


def test_two_exports_to_one_place_do_not_mix(album, curated, tmp_path):
    class Meanwhile(Progress):
        def update(self, *arguments, **options):
            with pytest.raises(CorallineError, match="another export is at work"):
                export(album.store, curated, "folder", tmp_path / "out", Progress.silent())
            tried.append(1)

    tried = []
    export(album.store, curated, "folder", tmp_path / "out", Meanwhile("", lambda _: None))
    assert tried


@pytest.mark.parametrize(
    ("to", "kind"), [("coco", "boxes"), ("coco", "images"), ("folder", "boxes"), ("hf", "curated")]
)
def test_progress_comes_to_its_end_and_not_beyond(album, photos, request, tmp_path, to, kind):
    if kind == "images":
        dataset = album.images([*photos, photos[0] | {"label": "a dog"}])  # under two labels
    else:
        dataset = request.getfixturevalue(kind)
    written = {"boxes": 15 if to == "coco" else 30, "images": 16, "curated": 16}[kind]
    heard = []
    export(album.store, dataset, to, tmp_path / "out", Progress("export", heard.append, 0))
    told = [(one.done, one.total) for one in heard if one.event == "progress"]
    assert {total for _, total in told} == {written}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == written


def test_a_place_that_cannot_be_written_is_one_line(album, curated, tmp_path, finish):
    (tmp_path / "file").touch()
    code, _, errors = finish("export", album.store.uri, curated.id, "file/out", "--to", "hf")
    assert code == 2
    assert errors[-1].startswith("file/out")
    assert errors[-1].endswith("Name a place that you may write.")


def test_the_command_says_where_the_export_is(album, curated, tmp_path, finish):
    arguments = ("export", album.store.root, curated.id[:10], "out", "--to", "coco")
    code, printed, errors = finish(*arguments)
    assert (code, printed) == (0, "out\n")
    assert any("16/16 images" in line for line in errors)
    with (tmp_path / "out/annotations/instances_train.json").open() as file:
        assert len(json.load(file)["images"]) == 8
    code, _, errors = finish(*arguments)
    assert (code, errors[-1]) == (
        2,
        "out: something is there already, and nothing is overwritten. "
        "Name another place, or move it away.",
    )
