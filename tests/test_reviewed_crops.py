"""What people say on the review page is what the next run's crops are."""

import hashlib

import cv2
import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
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
        page.say([other], "dog")  # taken back
    after, report = crop(SETTINGS, curated, store, Progress("crop", lambda _: None))
    labels = {one["source_sha256"]: one["label"] for one in after.iter_rows(store)}
    assert labels[crops[cat]["photo"]] == "dog"
    assert crops[dog]["photo"] not in labels
    assert labels[crops[other]["photo"]] == "dog"
    untouched = {one["photo"]: one["label"] for row, one in crops.items() if row not in (cat, dog)}
    assert untouched.items() <= labels.items()
    assert report.rejected["corrected"] == 1
