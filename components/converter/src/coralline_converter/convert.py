"""A Keras classifier to an int8 one that is measured and explained."""

from __future__ import annotations

import base64
import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from coralline_core import model as model_files
from coralline_core import rows
from coralline_core.errors import CorallineError
from coralline_core.metrics import evaluate
from coralline_core.model import ModelSpec

from coralline_converter.int8 import RUNTIME, Int8Model
from coralline_converter.parity import agreement, gates, largest_difference
from coralline_converter.pixels import calibration_crops, crops_with_pixels, jpeg
from coralline_converter.quantise import quantise, quiet_tensorflow
from coralline_converter.report import ConvertReport, Explained, Gallery

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.dataset import Dataset
    from coralline_core.metrics import Evaluation
    from coralline_core.progress import Progress
    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_converter.settings import ConvertSettings

GALLERY = "gradcam.json"
_GALLERY_SIDE = 128  # px
_MEASURED = ("validation", "test")

Predictions = dict[str, dict[str, Any]]
"""Rows of `rows.PREDICTIONS` by their crop."""


def convert(
    settings: ConvertSettings,
    crops: Dataset,
    model: Path,
    store: Store,
    folder: Path,
    progress: Progress,
) -> ConvertReport:
    """Quantise a model folder's classifier, run the result on every held-out crop, and explain it.

    The folder gets model_int8.tflite, metrics_int8.json, predictions_int8.parquet and
    gradcam.json; it is whole or absent. A gate that fails is in the report.

    Args:
        settings: The `convert` section.
        crops: What the classifier was trained on.
        model: The trainer's folder.
        store: Where the crops are.
        folder: What is there is replaced.
        progress: Hears how far it is.

    Raises:
        CorallineError: The model folder is incomplete or of other crops, or the model cannot be
            quantised wholly.
    """
    started = time.monotonic()
    spec = ModelSpec.load(model)
    if spec.dataset != crops.id:
        what = f"the model was trained on dataset {spec.dataset}, these crops are {crops.id}"
        raise CorallineError(what, where=str(model), fix="Convert it with its own crops.")
    for name in (model_files.KERAS, model_files.PREDICTIONS):
        if not (model / name).is_file():
            raise CorallineError(f"{name} is missing", where=str(model), fix="Train again.")
    quiet_tensorflow()
    import keras

    side = spec.input_shape[0]
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)

    network = keras.models.load_model(model / model_files.KERAS)
    progress.update(0, 3, "stages", "calibrating and quantising")
    shown, calibration = calibration_crops(crops, store, side, settings.calibration_images)
    path = unfinished / model_files.INT8
    quantise(network, shown, path)

    progress.update(1, 3, "stages", "measuring the int8 model")
    int8 = Int8Model(path)
    predicted = _predict(int8, crops, store, spec)
    table = pa.Table.from_pylist(list(predicted.values()), schema=rows.PREDICTIONS)
    pq.write_table(table, unfinished / model_files.INT8_PREDICTIONS)
    floats = _read_predictions(model / model_files.PREDICTIONS, predicted)
    measured = {split: _evaluate(spec, predicted, split) for split in _MEASURED}
    metrics = {split: measure.model_dump() for split, measure in measured.items()}
    (unfinished / model_files.INT8_METRICS).write_text(json.dumps(metrics, indent=1) + "\n")

    progress.update(2, 3, "stages", "explaining")
    chosen = _choose(predicted, spec.labels, settings.gallery)
    _explain(network, spec, crops, store, chosen).write(unfinished / GALLERY)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    progress.update(3, 3, "stages")

    float_test = _evaluate(spec, floats, "test")
    by_label = {
        label: agreement(floats, predicted, label)
        for label in spec.labels
        if any(row["label"] == label for row in predicted.values() if row["split"] == "test")
    }
    overall = agreement(floats, predicted)
    return ConvertReport(
        float_test=float_test,
        int8_test=measured["test"],
        int8_validation=measured["validation"],
        agreement=overall,
        agreement_by_label=by_label,
        largest_difference=largest_difference(floats, predicted),
        calibration=calibration,
        bytes=(folder / model_files.INT8).stat().st_size,
        latency_ms=int8.latency(shown[0]),
        runtime=RUNTIME,
        gates=gates(settings, float_test, measured["test"], overall, by_label),
        seconds=time.monotonic() - started,
    )


def _predict(int8: Int8Model, crops: Dataset, store: Store, spec: ModelSpec) -> Predictions:
    found: Predictions = {}
    for split in _MEASURED:
        for row, pixels in crops_with_pixels(crops, store, spec.input_shape[0], split):
            values = int8.probabilities(pixels)
            key = rows.crop_key(row["source_sha256"], row["crop_index"])
            found[key] = {
                "crop": key,
                "sha256": row["sha256"],
                "split": split,
                "label": row["label"],
                "predicted": spec.labels[values.argmax()],
                "probabilities": values,
            }
    return found


def _read_predictions(path: Path, predicted: Predictions) -> Predictions:
    """The float model's predictions, which must be of the same crops."""
    found = {row["crop"]: row for row in pq.read_table(path).to_pylist()}
    if found.keys() != predicted.keys():
        what = f"{len(found.keys() ^ predicted.keys())} crops are in only one of the predictions"
        raise CorallineError(what, where=str(path), fix="Train again on these crops.")
    return found


def _evaluate(spec: ModelSpec, predictions: Predictions, split: str) -> Evaluation:
    of_split = [row for row in predictions.values() if row["split"] == split]
    true = np.array([spec.labels.index(row["label"]) for row in of_split])
    return evaluate(spec.labels, true, np.array([row["probabilities"] for row in of_split]))


def _choose(predicted: Predictions, labels: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    """Test crops to explain: the surest mistakes, then right ones of each label in turn."""
    test = [row for row in predicted.values() if row["split"] == "test"]
    test.sort(key=lambda row: (-max(row["probabilities"]), row["crop"]))
    wrong = [row for row in test if row["predicted"] != row["label"]][: max(1, count // 2)]
    right = [[r for r in test if r["predicted"] == r["label"] == label] for label in labels]
    chosen = wrong[:count]
    while len(chosen) < count and any(right):
        chosen += [of_label.pop(0) for of_label in right if of_label]
    return chosen[:count]


def _explain(
    network: Any, spec: ModelSpec, crops: Dataset, store: Store, chosen: list[dict[str, Any]]
) -> Gallery:
    """Explain the float network's maps for what the int8 model said: int8 has no gradients."""
    from coralline_converter.gradcam import choose_layer, heat_maps, overlay

    layer = choose_layer(network)
    if not chosen:
        return Gallery(layer=layer, explained=())
    wanted = {row["crop"]: at for at, row in enumerate(chosen)}
    side = spec.input_shape[0]
    pixels: NDArray[np.uint8] = np.zeros((len(chosen), side, side, 3), np.uint8)
    for row, values in crops_with_pixels(crops, store, side, "test"):
        at = wanted.get(rows.crop_key(row["source_sha256"], row["crop_index"]))
        if at is not None:
            pixels[at] = values
    classes = np.array([spec.labels.index(row["predicted"]) for row in chosen])
    heats = heat_maps(network, layer, pixels, classes)
    return Gallery(
        layer=layer,
        explained=tuple(
            Explained(
                crop=row["crop"],
                label=row["label"],
                predicted=row["predicted"],
                probability=float(max(row["probabilities"])),
                correct=row["predicted"] == row["label"],
                image=_encoded(rgb),
                overlay=_encoded(overlay(rgb, heat)),
            )
            for row, rgb, heat in zip(chosen, pixels, heats, strict=True)
        ),
    )


def _encoded(rgb: NDArray[np.uint8]) -> str:
    return base64.b64encode(jpeg(rgb, _GALLERY_SIDE)).decode()
