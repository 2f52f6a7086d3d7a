"""The int8 file and what is written of it, for a network that has learnt something."""

import base64
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pyarrow.parquet as pq
from ai_edge_litert.interpreter import Interpreter
from coralline_converter.report import ConvertReport, Gallery
from coralline_core import rows

LABELS = ("blue", "red")


def test_the_folder_holds_the_four_files_and_nothing_else(converted):
    assert sorted(path.name for path in converted.folder.iterdir()) == [
        "gradcam.json",
        "metrics_int8.json",
        "model_int8.tflite",
        "predictions_int8.parquet",
    ]
    assert [path.name for path in converted.folder.parent.iterdir()] == ["converted"]


def test_uint8_pixels_go_in_as_they_are_one_at_a_time(converted):
    interpreter = Interpreter(str(converted.folder / "model_int8.tflite"))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert taken["dtype"] == given["dtype"] == np.uint8
    assert taken["shape_signature"].tolist() == [1, 32, 32, 3]
    assert given["shape_signature"].tolist() == [1, 2]
    assert taken["quantization"] == (1.0, 0)
    dtypes = {detail["dtype"] for detail in interpreter.get_tensor_details()}
    assert dtypes <= {np.uint8, np.int8, np.int32}


def test_what_is_reported_is_what_an_interpreter_says(trained, converted):
    interpreter = Interpreter(str(converted.folder / "model_int8.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    table = pq.read_table(converted.folder / "predictions_int8.parquet")
    assert table.schema.equals(rows.PREDICTIONS)
    written = {row["crop"]: row for row in table.to_pylist()}
    confusion = {split: np.zeros((2, 2), int) for split in ("validation", "test")}
    for index, (label, split, rgb) in enumerate(trained.pictures):
        if split == "train":
            assert f"photo{index}:0" not in written
            continue
        interpreter.set_tensor(taken["index"], rgb[None])
        interpreter.invoke()
        raw = interpreter.get_tensor(given["index"])[0].astype(float)
        row = written.pop(f"photo{index}:0")
        assert (row["label"], row["split"]) == (label, split)
        assert row["predicted"] == LABELS[raw.argmax()]
        np.testing.assert_allclose(row["probabilities"], raw / raw.sum(), atol=1e-6)
        confusion[split][LABELS.index(label), raw.argmax()] += 1
    assert not written
    metrics = json.loads((converted.folder / "metrics_int8.json").read_text())
    for split, found in confusion.items():
        assert metrics[split]["confusion"] == found.tolist()
        assert metrics[split]["accuracy"] == found.trace() / found.sum()
    assert converted.report.int8_test.confusion == confusion["test"].tolist()
    assert converted.report.int8_validation.confusion == confusion["validation"].tolist()


def test_a_network_that_has_learnt_passes_the_gates(converted):
    report = converted.report
    assert report.float_test.accuracy >= 0.95
    assert report.agreement >= 0.95
    assert set(report.agreement_by_label) == set(LABELS)
    assert [gate.key for gate in report.gates] == [
        "convert.max_accuracy_drop",
        "convert.min_agreement",
    ]
    assert all(gate.passed for gate in report.gates)
    assert 0 <= report.largest_difference < 0.5
    assert report.calibration == {"blue": 30, "red": 60}
    assert report.bytes == (converted.folder / "model_int8.tflite").stat().st_size
    assert report.latency_ms > 0
    assert "ai-edge-litert" in report.runtime


def test_the_gallery_shows_test_crops_with_their_heat(trained, converted):
    gallery = Gallery.read(converted.folder / "gradcam.json")
    assert len(gallery.explained) == 12
    assert {one.label for one in gallery.explained} == set(LABELS)
    for one in gallery.explained:
        label, split, rgb = trained.pictures[int(one.crop.removeprefix("photo").split(":")[0])]
        assert (one.label, split) == (label, "test")
        assert one.correct == (one.label == one.predicted)
        image, overlay = _decoded(one.image), _decoded(one.overlay)
        assert image.shape == overlay.shape == (128, 128, 3)
        shrunk = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
        assert np.abs(shrunk.astype(int) - rgb).mean() < 15
        assert np.abs(image.astype(int) - overlay).mean() > 3


def test_a_gallery_of_none_is_an_empty_one(convert_with, tmp_path):
    convert_with(tmp_path / "converted", gallery=0, calibration_images=10)
    assert Gallery.read(tmp_path / "converted" / "gradcam.json").explained == ()


def test_the_command_makes_the_same_files_over_what_a_killed_run_left(trained, converted, tmp_path):
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "stale").touch()
    (tmp_path / "converted.unfinished").mkdir()
    (tmp_path / "converted.unfinished" / "model_int8.tflite").write_bytes(b"half")
    (tmp_path / "convert.yaml").write_text("gallery: 12\n")
    trained.crops.write(tmp_path / "crops.json")
    outputs = {"converted": tmp_path / "converted", "report": tmp_path / "report.json"}
    paths = {"crops": tmp_path / "crops.json", "model": trained.model, **outputs}
    arguments = ["--settings", tmp_path / "convert.yaml", "--store", trained.store.root]
    for name, path in paths.items():
        arguments += [f"--{name}", path]
    done = subprocess.run(
        [sys.executable, "-m", "coralline_converter", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "CORALLINE_PROGRESS": str(tmp_path / "progress")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for path in converted.folder.iterdir():
        assert (tmp_path / "converted" / path.name).read_bytes() == path.read_bytes(), path.name
    assert sorted(p.name for p in (tmp_path / "converted").iterdir()) == sorted(
        p.name for p in converted.folder.iterdir()
    )
    assert not (tmp_path / "converted.unfinished").exists()
    report = ConvertReport.read(tmp_path / "report.json")
    assert report.int8_test == converted.report.int8_test


def _decoded(text):
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
