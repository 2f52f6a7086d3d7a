"""The gates, and what cannot be converted."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coralline_converter.int8 import Int8Model
from coralline_converter.parity import agreement, gates, largest_difference
from coralline_converter.settings import ConvertSettings
from coralline_core import rows
from coralline_core.errors import CorallineError
from coralline_core.metrics import evaluate
from coralline_core.model import ModelSpec
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def model(trained, tmp_path):
    """A copy of the model folder, to be spoilt."""
    return shutil.copytree(trained.model, tmp_path / "model")


def test_a_model_that_fails_its_gates_is_written_and_says_why(model, convert_with, tmp_path):
    _rewrite(model, lambda predictions: [_flipped(row) for row in predictions])
    report = convert_with(
        tmp_path / "converted", model=model, min_agreement=1.0, calibration_images=10, gallery=2
    )
    assert len(list((tmp_path / "converted").iterdir())) == 4
    agreed = next(gate for gate in report.gates if gate.key == "convert.min_agreement")
    assert not agreed.passed
    assert f"{report.agreement:.1%} of 40 test crops" in agreed.message
    assert "convert.calibration_images" in agreed.message


def test_predictions_of_other_crops_are_refused(model, convert_with, tmp_path):
    _rewrite(model, lambda predictions: [{**predictions[0], "crop": "other:0"}, *predictions[1:]])
    with pytest.raises(CorallineError, match="2 crops are in only one of the predictions"):
        convert_with(tmp_path / "converted", model=model, calibration_images=10)
    assert not (tmp_path / "converted").exists()


def test_a_model_of_another_dataset_is_refused(model, convert_with, tmp_path):
    spec = ModelSpec.load(model).model_copy(update={"dataset": "0123456789abcdef"})
    spec.save(model)
    with pytest.raises(CorallineError, match="trained on dataset 0123456789abcdef"):
        convert_with(tmp_path / "converted", model=model)


@pytest.mark.parametrize("name", ["model.keras", "predictions.parquet", "labels.txt"])
def test_an_incomplete_model_folder_is_refused_before_any_work(name, model, convert_with, tmp_path):
    (model / name).unlink()
    with pytest.raises(CorallineError, match=f"{name} is missing"):
        convert_with(tmp_path / "converted", model=model)
    assert not list(tmp_path.glob("converted*"))


def test_a_float_file_is_no_int8_model(trained, tmp_path):
    trained.network.export(str(tmp_path / "float.tflite"), format="litert", verbose=False)
    with pytest.raises(CorallineError, match="types \\['float32', 'float32'\\]"):
        Int8Model(tmp_path / "float.tflite")


def test_a_file_with_one_op_in_float_is_no_int8_model(tmp_path):
    import keras
    import tensorflow as tf

    image = keras.Input((8, 8, 3), name="image")
    maps = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(image))
    features = keras.layers.GlobalAveragePooling2D()(keras.ops.cos(maps))
    network = keras.Model(image, keras.layers.Dense(2, activation="softmax")(features))
    black_and_white = np.stack([np.zeros((8, 8, 3)), np.full((8, 8, 3), 255)]).astype("float32")
    network.export(
        str(tmp_path / "mixed.tflite"),
        format="litert",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(1, 8, 8, 3), dtype="float32", name="image")],
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([one[None]] for one in black_and_white),
        inference_input_type=tf.uint8,
        inference_output_type=tf.uint8,
    )
    with pytest.raises(CorallineError, match="types \\['uint8', 'uint8'\\], float tensors \\['"):
        Int8Model(tmp_path / "mixed.tflite")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80), st.data())
def test_gates_hold_what_was_measured_against_the_bounds(pairs, data):
    """Each pair: whether float and int8 are right on a test crop."""
    drop_bound = data.draw(st.sampled_from([0.0, 0.01, 0.05, 0.5]))
    least = data.draw(st.sampled_from([0.0, 0.8, 0.95, 1.0]))
    floats, int8s = (_predictions([pair[at] for pair in pairs]) for at in (0, 1))
    n = len(pairs)
    dropped = sum(pair[0] for pair in pairs) - sum(pair[1] for pair in pairs)
    same = sum(a == b for a, b in pairs)
    assert agreement(floats, int8s) == same / n
    settings = ConvertSettings(max_accuracy_drop=drop_bound, min_agreement=least)
    found = gates(settings, _evaluated(floats), _evaluated(int8s), same / n, {"a": same / n})
    assert found[0].passed == (dropped <= max(1, drop_bound * n + 1e-6))
    assert found[1].passed == (same / n >= least)
    for gate in found:
        assert f"of {n} test crops" in gate.message
        assert ("calibration_images" in gate.message) != gate.passed


def test_a_rare_label_that_is_lost_fails_the_gate_though_the_whole_agrees():
    labels, n = ("a", "rare"), 200
    true = np.array([0] * 196 + [1] * 4)
    said = np.array([0] * 198 + [1] * 2)
    measured = evaluate(labels, true, np.eye(2)[said])
    by_label = {"a": 1.0, "rare": 0.5}
    _, agreed = gates(ConvertSettings(), measured, measured, 198 / n, by_label)
    assert not agreed.passed
    assert "on 50.0% of 'rare'" in agreed.message
    _, agreed = gates(ConvertSettings(), measured, measured, 199 / n, {"a": 1.0, "rare": 0.75})
    assert agreed.passed  # one crop is always allowed


def test_only_test_crops_of_the_label_count():
    floats, int8s = _predictions([True, True]), _predictions([True, False])
    floats["v"] = {**floats["0"], "split": "validation", "probabilities": [1.0, 0.0]}
    int8s["v"] = {**int8s["1"], "split": "validation", "probabilities": [0.0, 1.0]}
    int8s["1"]["label"] = floats["1"]["label"] = "b"
    assert agreement(floats, int8s) == 0.5
    assert agreement(floats, int8s, "a") == 1
    assert agreement(floats, int8s, "b") == 0
    assert largest_difference(floats, int8s) == pytest.approx(0.6)


def _predictions(right):
    return {
        str(at): {
            "split": "test",
            "label": "a",
            "predicted": "a" if one else "b",
            "probabilities": [0.8, 0.2] if one else [0.2, 0.8],
        }
        for at, one in enumerate(right)
    }


def _evaluated(predictions):
    values = np.array([row["probabilities"] for row in predictions.values()])
    return evaluate(("a", "b"), np.zeros(len(values), int), values)


def _flipped(row):
    other = {"blue": "red", "red": "blue"}[row["predicted"]]
    return {**row, "predicted": other, "probabilities": row["probabilities"][::-1]}


def _rewrite(model, change):
    path = model / "predictions.parquet"
    changed = change(pq.read_table(path).to_pylist())
    pq.write_table(pa.Table.from_pylist(changed, schema=rows.PREDICTIONS), path)
