"""What people say on the review page is what the next run's crops are."""

import hashlib
from datetime import UTC, datetime

import cv2
import pytest
from coralline_core import rows
from coralline_core.corrections import Correction, record
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
from coralline_curator.curate import curate
from coralline_curator.settings import CurateSettings
from coralline_demo.faces import photo
from reviewing import serving

SETTINGS = CropSettings(mode="whole", size=48)


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def curated(store):
    """Twelve photos of two labels, four in each split."""
    with ShardWriter(store, rows.IMAGES) as writer:
        for index in range(12):
            data = cv2.imencode(".png", photo(index))[1].tobytes()
            writer.add(
                {
                    "image": {"bytes": data, "path": f"{index}.png"},
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "label": ("cat", "dog", "dog")[index % 3],
                    "group": str(index),
                    "phash": index * 0x0FED_CBA9_8765_4321 % 2**64,
                    "width": 250,
                    "height": 250,
                    "split": rows.SPLITS[index // 4],
                }
            )
    return Dataset(kind="curated", shards=tuple(writer.shards), counts=writer.counts)


def test_a_crop_has_its_new_label_in_the_next_run_or_is_left_out(store, curated, tmp_path):
    before, _ = crop(SETTINGS, curated, store, Progress("crop", lambda _: None))
    before.save(store)
    with serving(tmp_path) as serve:
        page = serve(store, labels=("cat", "dog"))
        page.ready()
        crops = {one["row"]: one for one in page.crops(*range(12))}
        (cat, *_), (dog, other, *_) = (
            [row for row in crops if crops[row]["label"] == label] for label in ("cat", "dog")
        )
        page.say([cat], "dog")
        page.say([dog], None)
        page.say([other], "cat")
        page.say([other], "dog")  # said again, otherwise
    after, report = crop(SETTINGS, curated, store, Progress("crop", lambda _: None))
    labels = {one["source_sha256"]: one["label"] for one in after.iter_rows(store)}
    assert labels[crops[cat]["photo"]] == "dog"
    assert crops[dog]["photo"] not in labels
    assert labels[crops[other]["photo"]] == "dog"
    untouched = {one["photo"]: one["label"] for row, one in crops.items() if row not in (cat, dog)}
    assert untouched.items() <= labels.items()
    assert report.rejected["corrected"] == 1


def test_what_is_taken_back_is_in_the_next_run_as_it_was_found(store, curated, tmp_path):
    """A crop that was left out is there again; of what was said twice, the first counts again."""

    def cut():
        dataset, report = crop(SETTINGS, curated, store, Progress("crop", lambda _: None))
        dataset.save(store)
        labels = {row["source_sha256"]: row["label"] for row in dataset.iter_rows(store)}
        return labels, report.rejected.get("corrected")

    found, _ = cut()
    names = ("relabelled", "left out", "first", "second")
    acts = {name: f"{number:032x}" for number, name in enumerate(names)}
    with serving(tmp_path) as serve:
        page = serve(store, labels=("cat", "dog"))
        page.ready()
        dogs = [one for one in page.crops(*range(12)) if one["label"] == "dog"]
        some = dogs[1::2]  # some are left in each split
        crops, rows = ([one[key] for one in some] for key in ("photo", "row"))
        page.say([rows[0]], "cat", acts["relabelled"])
        page.say([rows[1]], None, acts["left out"])
        page.say([rows[2]], "cat", acts["first"])
        page.say([rows[2]], None, acts["second"])
        said, left_out = cut()
        assert (said[crops[0]], left_out) == ("cat", 2)
        assert not {crops[1], crops[2]} & said.keys()
        for name in ("relabelled", "left out", "second"):
            assert page.take_back(id=acts[name]) == 200
        assert cut() == ({**found, crops[2]: "cat"}, None)
        assert page.take_back(id=acts["first"]) == 200
    assert cut()[0] == found


def test_a_photo_of_which_all_is_taken_back_is_curated_as_it_was_found(store, curated):
    images = curated.model_copy(update={"kind": "images"})

    def kept():
        dataset, _ = curate(CurateSettings(), images, store, Progress("curate", lambda _: None))
        chosen = dataset.selected(store, ["sha256", "label"])
        return dict(zip(*(chosen[name].to_pylist() for name in ("sha256", "label")), strict=True))

    found = kept()
    dogs = [sha256 for sha256, label in found.items() if label == "dog"]
    at = datetime.now(UTC)
    one = record(store, Correction(images=(dogs[0],), label="cat", at=at))
    other = record(store, Correction(images=(dogs[1], dogs[0]), label=None, at=at))
    assert kept().keys() == found.keys() - {dogs[0], dogs[1]}
    record(store, Correction(images=(), label=None, takes_back=(other,), at=at))
    assert kept() == {**found, dogs[0]: "cat"}
    record(store, Correction(images=(), label=None, takes_back=(one,), at=at))
    assert kept() == found
