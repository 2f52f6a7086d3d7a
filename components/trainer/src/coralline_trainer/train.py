"""Crops to a classifier, and how good it is."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from coralline_core import model as model_files
from coralline_core import rows
from coralline_core.metrics import evaluate
from coralline_core.model import ModelSpec

from coralline_trainer.batches import check, decode
from coralline_trainer.report import TrainReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coralline_core.dataset import Dataset
    from coralline_core.metrics import Evaluation
    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_trainer.settings import TrainSettings

TENSORBOARD = "tensorboard"
_MEASURED = ("validation", "test")


def train(
    settings: TrainSettings, crops: Dataset, store: Store, folder: Path, progress: Progress
) -> TrainReport:
    """Train a classifier and write its model folder.

    What is measured is the model as it is read back from its file, on crops that it did not learn
    from. The folder holds model.keras, model.h5, labels.txt, model.json, metrics.json,
    history.json, predictions.parquet (`rows.PREDICTIONS`: every validation and test crop),
    TensorBoard's logs and, if asked for, a SavedModel. It is whole or absent.

    Args:
        settings: The `train` section.
        crops: Labelled, split, and of the network's size.
        store: Where the crops are.
        folder: The model folder; what is there is replaced.
        progress: Hears of each epoch.

    Raises:
        CorallineError: The crops do not do, or the pretrained weights cannot be had.
    """
    started = time.monotonic()
    check(crops, store, settings.model.size)
    quiet_tensorflow()
    import keras
    import tensorflow as tf

    from coralline_trainer.fit import Data, fit
    from coralline_trainer.networks import build

    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)

    network = build(settings.model, len(crops.labels))
    data = Data.of(settings, crops, store)
    history = fit(settings, network, data, unfinished / TENSORBOARD, progress)
    _write_models(network, unfinished, saved_model=settings.saved_model)
    ModelSpec(
        labels=crops.labels,
        input_shape=(settings.model.size, settings.model.size, 3),
        architecture=network.name,
        crop=crops.settings,
        dataset=crops.id,
    ).save(unfinished)

    trained = keras.models.load_model(unfinished / model_files.KERAS)
    measured = _predict(trained, crops, store, unfinished / model_files.PREDICTIONS)
    _write_json(unfinished / model_files.METRICS, {k: v.model_dump() for k, v in measured.items()})
    _write_json(unfinished / model_files.HISTORY, [epoch.model_dump() for epoch in history])
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)

    best = min(history, key=lambda epoch: epoch.val_loss)
    ran = {phase: sum(e.phase == phase for e in history) for phase in ("head", "all")}
    return TrainReport(
        architecture=network.name,
        parameters=network.count_params(),
        counts=crops.counts,
        class_weights=dict(zip(crops.labels, data.class_weights.values(), strict=True)),
        epochs=ran,
        best=f"{best.phase} {best.epoch}",
        stopped_early=ran["all"] < settings.epochs,
        validation=measured["validation"],
        test=measured["test"],
        bytes=(folder / model_files.KERAS).stat().st_size,
        seconds=time.monotonic() - started,
    )


def quiet_tensorflow() -> None:
    """Keep what is no news out of the log. Call it before TensorFlow's first import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)  # that HDF5 is old, though it is asked for


def _write_models(network: Any, folder: Path, *, saved_model: bool) -> None:
    network.save(folder / model_files.KERAS)
    network.save(folder / model_files.H5)
    if saved_model:
        network.export(folder / model_files.SAVED_MODEL, verbose=False)


def _predict(network: Any, crops: Dataset, store: Store, path: Path) -> dict[str, Evaluation]:
    """Write what the network says of every validation and test crop, and measure it."""
    measured, found = {}, []
    for split in _MEASURED:
        of_split = list(_predictions(network, crops, store, split))
        true = np.array([crops.labels.index(row["label"]) for row in of_split])
        probabilities = np.stack([row["probabilities"] for row in of_split])
        measured[split] = evaluate(crops.labels, true, probabilities)
        found += of_split
    pq.write_table(pa.Table.from_pylist(found, schema=rows.PREDICTIONS), path)
    return measured


def _predictions(
    network: Any, crops: Dataset, store: Store, split: str
) -> Iterator[dict[str, Any]]:
    """Rows of `rows.PREDICTIONS` for one split, in the shards' order."""
    columns = ["image", "sha256", "split", "label", "source_sha256", "crop_index"]
    for batch in crops.batches(store, columns, split):
        held = batch.to_pylist()
        pixels = np.stack([decode(row.pop("image")["bytes"]).numpy() for row in held])
        probabilities = network.predict(pixels, batch_size=64, verbose=0)
        for row, values in zip(held, probabilities, strict=True):
            row["crop"] = rows.crop_key(row.pop("source_sha256"), row.pop("crop_index"))
            yield {
                **row,
                "predicted": crops.labels[values.argmax()],
                "probabilities": values,
            }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
