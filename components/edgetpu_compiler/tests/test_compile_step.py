"""The step as a whole: its command, its report, its folder."""

import json
import subprocess
import sys

import numpy as np
import pytest
from coralline_core.errors import CorallineError
from coralline_edgetpu_compiler.report import CompileReport
from coralline_edgetpu_compiler.step import execute

TARGETS = ["edgetpu", "ethos-u55-256", "tflite-micro"]


@pytest.fixture(scope="session")
def mobilenet(keras, export):
    """MobileNetV2 as the trainer builds it, with random weights."""
    network = keras.applications.MobileNetV2((96, 96, 3), 0.35, include_top=False, weights=None)
    # Untrained, its outputs fade to nought from layer to layer: normalise by one random batch.
    normalisations = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in normalisations:
        layer.momentum = 0.0
    network(np.random.default_rng(0).uniform(-1, 1, (8, 96, 96, 3)), training=True)
    image = keras.Input((96, 96, 3))
    maps = network(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    features = keras.layers.GlobalAveragePooling2D()(maps)
    return export(keras.Model(image, keras.layers.Dense(2, activation="softmax")(features)))


@pytest.mark.usefixtures("no_compiler")
def test_every_target_takes_every_op_of_a_mobilenet(mobilenet, compiled):
    report = compiled(mobilenet, *TARGETS).report
    edge, ethos, micro = report.targets
    assert (edge.mapped_share, edge.predicted) == (1.0, True)
    assert (ethos.mapped_share, ethos.reasons) == (1.0, ())
    assert 100 < ethos.sram_kib < 250
    assert 1 < ethos.latency_ms < 2
    assert micro.compiled
    assert 150 < micro.arena_kib < 300
    assert micro.max_difference == 0
    assert all(gate.passed for gate in report.gates)


def test_the_report_and_the_folder_are_written_though_a_gate_fails(floating, tmp_path):
    report = tmp_path / "reports/compile.json"
    execute(
        {"targets": ["ethos-u55-256"]},
        str(tmp_path / "store"),
        converted=floating.parent,
        compiled=tmp_path / "compiled",
        report=report,
    )
    assert not CompileReport.read(report).gates[0].passed
    assert (tmp_path / "compiled/vela_ethos-u55-256.log").exists()
    assert json.loads(report.read_text())["targets"][0]["mapped_share"] == 0.0


def test_what_was_there_is_replaced_and_what_was_interrupted_is_cleared(small, compiled, tmp_path):
    for name in ("compiled", "compiled.unfinished"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    folder = compiled(small, "ethos-u55-256").folder
    assert sorted(path.name for path in folder.iterdir()) == [
        "model_int8_vela_ethos-u55-256.tflite",
        "vela_ethos-u55-256.log",
    ]
    assert not (tmp_path / "compiled.unfinished").exists()


def test_a_model_that_is_missing_or_broken_changes_nothing(small, compiled, tmp_path):
    with pytest.raises(CorallineError, match=r"model_int8\.tflite is missing"):
        compiled(tmp_path / "model_int8.tflite", "edgetpu")
    broken = tmp_path / "model_int8.tflite"
    broken.write_bytes(small.read_bytes()[:3000])
    with pytest.raises(CorallineError, match="not a LiteRT file"):
        compiled(broken, "edgetpu")
    assert list(tmp_path.iterdir()) == [broken]


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "coralline_edgetpu_compiler", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_compiles(small, tmp_path):
    (tmp_path / "compile.yaml").write_text("targets: [tflite-micro]\n")
    done = command(
        *("--settings", tmp_path / "compile.yaml", "--store", tmp_path / "store"),
        *("--converted", small.parent, "--compiled", tmp_path / "compiled"),
        *("--report", tmp_path / "compile.json"),
    )
    assert done.returncode == 0, done.stderr
    assert CompileReport.read(tmp_path / "compile.json").targets[0].compiled


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    (tmp_path / "compile.yaml").write_text("targets: [edge-tpu]\n")
    done = command(
        *("--settings", tmp_path / "compile.yaml", "--store", tmp_path / "store"),
        *("--converted", tmp_path, "--compiled", tmp_path / "compiled"),
        *("--report", tmp_path / "compile.json"),
    )
    assert done.returncode == 2
    assert "no target 'edge-tpu'; there are edgetpu," in done.stderr.splitlines()[-1]
    assert not (tmp_path / "compiled").exists()


def test_the_package_does_without_tensorflow():
    code = (
        "import sys, coralline_edgetpu_compiler.compile as c;sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
