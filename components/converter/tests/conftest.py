"""Crops whose label is the colour of a blob, and a small network that has learnt it."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coralline_converter.convert import convert
from coralline_converter.quantise import quiet_tensorflow
from coralline_converter.settings import ConvertSettings
from coralline_core import model as model_files
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.model import ModelSpec
from coralline_core.progress import Progress
from coralline_core.store import FileStore

SIDE = 32
LABELS = ("blue", "red")
COUNTS = {
    ("blue", "train"): 30,
    ("red", "train"): 60,
    ("blue", "validation"): 6,
    ("red", "validation"): 6,
    ("blue", "test"): 20,
    ("red", "test"): 20,
}


def blob_picture(label, index, side=SIDE):
    """Dim noise with a bright blob in quadrant `index % 4`: uint8 RGB."""
    random = np.random.default_rng([LABELS.index(label), index])
    rgb = random.integers(0, 70, (side, side, 3), np.uint8)
    half = side // 2
    at = half * (index % 2) + half // 2, half * (index // 2 % 2) + half // 2
    colour = (230, 40, 40) if label == "red" else (40, 40, 230)
    return cv2.circle(rgb, at, half // 3, colour, -1)


def write_crops(store, pictures):
    """A dataset of crops, given as (label, split, RGB pixels)."""
    with ShardWriter(store, rows.CROPS) as writer:
        for index, (label, split, rgb) in enumerate(pictures):
            data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
            writer.add(
                {
                    "image": {"bytes": data, "path": f"{index}.png"},
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "label": label,
                    "split": split,
                    "source_sha256": f"photo{index}",
                    "crop_index": 0,
                }
            )
    return Dataset(kind="crops", shards=tuple(writer.shards), counts=writer.counts)


def write_model(folder, network, crops, pictures):
    """A model folder as the trainer leaves it, as far as the converter reads it."""
    folder.mkdir()
    network.save(folder / model_files.KERAS)
    ModelSpec(
        labels=LABELS, input_shape=(SIDE, SIDE, 3), architecture="tiny", crop={}, dataset=crops.id
    ).save(folder)
    held = [(i, *picture) for i, picture in enumerate(pictures) if picture[1] != "train"]
    outputs = network.predict(np.stack([one[3] for one in held]).astype("float32"), verbose=0)
    predictions = [
        {
            "crop": rows.crop_key(f"photo{index}", 0),
            "sha256": "",
            "split": split,
            "label": label,
            "predicted": LABELS[values.argmax()],
            "probabilities": values,
        }
        for (index, label, split, _), values in zip(held, outputs, strict=True)
    ]
    table = pa.Table.from_pylist(predictions, schema=rows.PREDICTIONS)
    pq.write_table(table, folder / model_files.PREDICTIONS)


def _network(keras):
    image = keras.Input((SIDE, SIDE, 3), name="image")
    maps = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    for filters in (8, 16):
        maps = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(maps)
        maps = keras.layers.BatchNormalization()(maps)
        maps = keras.layers.ReLU(6)(maps)
    features = keras.layers.GlobalAveragePooling2D()(maps)
    kept = keras.layers.Dropout(0.1)(features)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax")(kept))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A trained model folder, its network, and the crops that it was trained on."""
    quiet_tensorflow()
    import keras

    keras.utils.set_random_seed(1)
    root = tmp_path_factory.mktemp("trained")
    store = FileStore(root / "store")
    pictures, index = [], dict.fromkeys(LABELS, 0)
    for (label, split), count in COUNTS.items():
        for _ in range(count):
            pictures.append((label, split, blob_picture(label, index[label])))
            index[label] += 1
    crops = write_crops(store, pictures)
    shown = [picture for picture in pictures if picture[1] == "train"]
    pixels = np.stack([rgb for _, _, rgb in shown]).astype("float32")
    true = np.array([LABELS.index(label) for label, _, _ in shown])
    network = _network(keras)
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    network.fit(pixels, true, epochs=12, batch_size=16, verbose=0)
    write_model(root / "model", network, crops, pictures)
    return SimpleNamespace(
        model=root / "model", network=network, crops=crops, store=store, pictures=pictures
    )


def run(trained, folder: Path, model: Path | None = None, **settings):
    """Convert with these settings."""
    return convert(
        ConvertSettings(**settings),
        trained.crops,
        model or trained.model,
        trained.store,
        folder,
        Progress("convert", lambda _: None),
    )


@pytest.fixture(scope="session")
def converted(trained, tmp_path_factory):
    """What the converter makes of the trained model: its folder and its report."""
    folder = tmp_path_factory.mktemp("converted") / "converted"
    return SimpleNamespace(folder=folder, report=run(trained, folder, gallery=12))


@pytest.fixture(scope="session")
def convert_with(trained):
    return lambda folder, **settings: run(trained, folder, **settings)


@pytest.fixture(scope="session")
def crops_of():
    return write_crops


@pytest.fixture(scope="session")
def blob():
    return blob_picture
