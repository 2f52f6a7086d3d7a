import json

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from coralline_core import rows
from coralline_core.errors import CorallineError
from coralline_core.model import ModelSpec
from coralline_core.progress import Progress
from coralline_trainer.settings import TrainSettings
from coralline_trainer.train import train

SMALL = TrainSettings.model_validate(
    {
        "model": {"name": "small_mobilenet", "size": 32, "noise": 0.05},
        "epochs": 4,
        "learning_rate": 0.03,  # too much: the first epoch stays the best
        "patience": 1,
        "batch_size": 16,
        "saved_model": True,
    }
)


@pytest.fixture(scope="module", autouse=True)
def _few_blocks():
    """TensorFlow takes long to trace a deep network; what is tested here needs none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coralline_trainer.networks._SMALL_BLOCKS", ((6, 24, 1, 2), (6, 24, 1, 1)))
        yield


@pytest.fixture(scope="module")
def trained(crops, store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "model"
    return folder, train(SMALL, crops, store, folder, Progress.silent())


@pytest.fixture(scope="module")
def predictions(trained):
    return pq.read_table(trained[0] / "predictions.parquet")


def test_the_folder_is_whole(trained):
    folder, _ = trained
    assert {path.name for path in folder.iterdir()} == {
        "model.keras",
        "model.h5",
        "saved_model",
        "labels.txt",
        "model.json",
        "metrics.json",
        "history.json",
        "predictions.parquet",
        "tensorboard",
    }
    assert not folder.with_name("model.unfinished").exists()
    assert list((folder / "tensorboard").rglob("events.out.tfevents.*"))


def test_labels_are_in_the_order_of_the_outputs(trained, crops):
    spec = ModelSpec.load(trained[0])
    assert spec.labels == ("b", "r")
    assert spec.input_shape == (32, 32, 3)
    assert spec.dataset == crops.id
    assert spec.crop == crops.settings


def test_every_held_out_crop_is_predicted_once(predictions):
    assert predictions.schema.equals(rows.PREDICTIONS)
    assert sorted(set(predictions["split"].to_pylist())) == ["test", "validation"]
    assert len(set(predictions["crop"].to_pylist())) == len(predictions) == 32
    sums = [sum(values) for values in predictions["probabilities"].to_pylist()]
    assert sums == pytest.approx([1] * 32, abs=1e-5)


def test_predicted_is_the_likeliest_label(predictions):
    for row in predictions.to_pylist():
        assert row["predicted"] == ("b", "r")[int(np.argmax(row["probabilities"]))]


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_the_files_hold_the_model_that_was_measured(trained, predictions, crops, store, name):
    import keras

    network = keras.models.load_model(trained[0] / name)
    expected = {row["crop"]: row["probabilities"] for row in predictions.to_pylist()}
    for row in crops.iter_rows(store, ["image", "source_sha256"], "test"):
        picture = cv2.imdecode(np.frombuffer(row["image"]["bytes"], np.uint8), cv2.IMREAD_COLOR)
        pixels = picture[None, :, :, ::-1]  # uint8, RGB
        found = network.predict_on_batch(pixels)[0]
        assert found == pytest.approx(expected[f"{row['source_sha256']}:0"], abs=1e-5)


def test_the_weights_are_those_of_the_least_validation_loss(trained, predictions):
    rows_ = [row for row in predictions.to_pylist() if row["split"] == "validation"]
    right = [row["probabilities"][("b", "r").index(row["label"])] for row in rows_]
    history = json.loads((trained[0] / "history.json").read_text())
    least = min(epoch["val_loss"] for epoch in history)
    assert -np.log(right).mean() == pytest.approx(least, rel=1e-3)
    assert least == history[0]["val_loss"] < history[1]["val_loss"]
    assert trained[1].best == "all 1"


def test_training_stops_when_validation_gets_no_better(trained):
    assert trained[1].epochs == {"head": 0, "all": 2}
    assert trained[1].stopped_early


def test_the_saved_model_takes_pixels(trained):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(trained[0] / "saved_model"))
    out = loaded.serve(np.zeros((1, 32, 32, 3), np.float32))
    assert out.shape == (1, 2)


def test_metrics_are_those_of_the_predictions(trained, predictions):
    metrics = json.loads((trained[0] / "metrics.json").read_text())
    test = [row for row in predictions.to_pylist() if row["split"] == "test"]
    right = sum(row["label"] == row["predicted"] for row in test)
    assert metrics["test"]["n"] == 16
    assert metrics["test"]["accuracy"] == pytest.approx(right / 16)
    assert trained[1].test.accuracy == pytest.approx(right / 16)


def test_the_history_has_every_epoch(trained):
    history = json.loads((trained[0] / "history.json").read_text())
    assert [epoch["epoch"] for epoch in history] == list(range(1, len(history) + 1))
    assert {epoch["phase"] for epoch in history} == {"all"}
    assert history[-1]["loss"] < history[0]["loss"]
    assert trained[1].epochs == {"head": 0, "all": len(history)}


def test_the_same_seed_gives_the_same_model(trained, crops, store, tmp_path):
    train(SMALL, crops, store, tmp_path / "model", Progress.silent())
    for name in ("predictions.parquet", "history.json", "metrics.json"):
        assert (tmp_path / "model" / name).read_bytes() == (trained[0] / name).read_bytes()


def test_a_training_that_dies_leaves_the_model_before_it(crops, store, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("the last one")
    monkeypatch.setattr("coralline_trainer.weights._SHA256", "")
    settings = TrainSettings.model_validate({"model": {"size": 32}})
    with pytest.raises(CorallineError, match="not the ImageNet weights"):
        train(settings, crops, store, folder, Progress.silent())
    assert [path.name for path in folder.iterdir()] == ["model.json"]
    assert (folder / "model.json").read_text() == "the last one"


def test_crops_of_another_size_are_an_error(crops, store, tmp_path):
    settings = TrainSettings.model_validate({"model": {"name": "small_mobilenet", "size": 64}})
    with pytest.raises(CorallineError, match="crops have 32 px a side, the network takes 64") as e:
        train(settings, crops, store, tmp_path / "model", Progress.silent())
    assert "`crop.size`" in e.value.fix
    assert "`train.model.size`" in e.value.fix
    assert not any(tmp_path.iterdir())


def test_one_label_is_an_error(make_crops, store, tmp_path):
    with pytest.raises(CorallineError, match="only one label: r"):
        train(SMALL, make_crops(labels=("r",)), store, tmp_path / "model", Progress.silent())


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", "no crop to train on: b, r"),
        ("validation", "no crop in the validation split"),
        ("test", "no crop in the test split"),
    ],
)
def test_an_empty_split_is_an_error(make_crops, store, tmp_path, split, message):
    shares = {name: 4 for name in ("train", "validation", "test") if name != split}
    with pytest.raises(CorallineError, match=message):
        train(SMALL, make_crops(shares=shares), store, tmp_path / "model", Progress.silent())
