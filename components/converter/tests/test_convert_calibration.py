"""Which crops the quantiser sees."""

import numpy as np
import pytest
from coralline_converter.pixels import calibration_crops
from coralline_core.errors import CorallineError
from coralline_core.store import FileStore


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path)


def test_the_same_number_of_every_label_and_of_training_crops_only(store, crops_of, blob):
    counts = {"blue": 3, "red": 20}
    pictures = [(label, "train", blob(label, i)) for label, n in counts.items() for i in range(n)]
    held = [
        (label, split, blob(label, i + 100 + 50 * (split == "test")))
        for split in ("validation", "test")
        for label in counts
        for i in range(20)
    ]
    crops = crops_of(store, held[:40] + pictures + held[40:])
    shown, found = calibration_crops(crops, store, 32, 12)
    assert found == {"blue": 3, "red": 6}
    assert shown.shape == (9, 32, 32, 3)
    assert shown.dtype == np.uint8
    trained = {rgb.tobytes() for _, _, rgb in pictures}
    seen = [rgb.tobytes() for rgb in shown]
    assert set(seen) <= trained
    assert len(set(seen)) == 9


def test_the_order_of_the_crops_does_not_decide_which_are_chosen(store, crops_of, blob):
    pictures = [(label, "train", blob(label, i)) for label in ("blue", "red") for i in range(15)]
    one, _ = calibration_crops(crops_of(store, pictures), store, 32, 10)
    other, _ = calibration_crops(crops_of(store, pictures[::-1]), store, 32, 10)
    assert {rgb.tobytes() for rgb in one} == {rgb.tobytes() for rgb in other}


def test_a_crop_that_is_in_two_rows_is_seen_once(store, crops_of, blob):
    pictures = [
        (label, "train", blob(label, i // 2)) for label in ("blue", "red") for i in range(8)
    ]
    shown, found = calibration_crops(crops_of(store, pictures), store, 32, 100)
    assert found == {"blue": 4, "red": 4}
    assert len(shown) == 8


def test_a_crop_of_another_size_is_named_with_both_sizes(store, crops_of, blob):
    crops = crops_of(store, [(label, "train", blob(label, 0, 48)) for label in ("blue", "red")])
    with pytest.raises(CorallineError, match="48x48 px, the model takes 32x32"):
        calibration_crops(crops, store, 32, 10)
