"""Small networks as LiteRT files, and a compiler that stands in for Coral's."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
from coralline_core.progress import Progress
from coralline_edgetpu_compiler.compile import compile_model
from coralline_edgetpu_compiler.settings import CompileSettings

SIDE = 16


@pytest.fixture(scope="session")
def keras():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    keras.utils.set_random_seed(1)
    return keras


@pytest.fixture(scope="session")
def export(keras, tmp_path_factory):
    """Write a network as a LiteRT file: int8 with a static batch of 1 unless told otherwise."""
    import tensorflow as tf

    def write(network, int8=True, batch=1):
        shape = network.input_shape[1:]
        random = np.random.default_rng(0)
        images = [random.integers(0, 256, (1, *shape)).astype("float32") for _ in range(10)]
        quantised = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "representative_dataset": lambda: ([image] for image in images),
            "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            "inference_input_type": tf.uint8,
            "inference_output_type": tf.uint8,
        }
        path = tmp_path_factory.mktemp("converted") / "model_int8.tflite"
        network.export(
            str(path),
            format="litert",
            verbose=False,
            input_signature=[keras.InputSpec(shape=(batch, *shape), dtype="float32", name="image")],
            **(quantised if int8 else {}),
        )
        return path

    return write


@pytest.fixture(scope="session")
def network(keras):
    """A network with `middle` between its convolutions."""
    layers = keras.layers

    def build(middle=lambda maps: maps, head="glorot_uniform"):
        image = keras.Input((SIDE, SIDE, 3))
        maps = layers.Rescaling(1 / 127.5, offset=-1)(image)
        maps = layers.Conv2D(8, 3, 2, padding="same", activation="relu6")(maps)
        maps = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(maps)
        features = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(middle(maps)))
        dense = layers.Dense(2, activation="softmax", kernel_initializer=head)
        return keras.Model(image, dense(features))

    return build


@pytest.fixture(scope="session")
def small(network, export):
    """A small int8 network of which every target takes every op."""
    return export(network())


@pytest.fixture(scope="session")
def elu(keras, network, export):
    """An int8 network with an ELU, which stays in float, in its middle."""
    return export(network(keras.layers.ELU()))


@pytest.fixture(scope="session")
def floating(network, export):
    """A float network."""
    return export(network(), int8=False)


@pytest.fixture
def compiled(tmp_path):
    """Compile a model for targets: the folder and the report."""

    def run(model, *targets):
        folder = tmp_path / "compiled"
        settings = CompileSettings.model_validate({"targets": targets})
        report = compile_model(settings, model, folder, Progress("compile", lambda _: None))
        return SimpleNamespace(folder=folder, report=report, target=report.targets[0])

    return run


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Install a stand-in for edgetpu_compiler that prints logs, a run each, and writes a file.

    Coral's own compiler is closed source, comes from its own Debian repository for x86-64 alone,
    and cannot be had where these tests run. So what it prints is composed to the format that its
    users show, and what it compiles is no program for the device.
    """
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(*logs, writes=True, code=0, seconds=0):
        for run, log in enumerate(logs, 1):
            (folder / f"log{run}").write_text(log)
        script = folder / "edgetpu_compiler"
        script.write_text(
            f"""#!/bin/sh
cd {folder}
echo "$*" >> arguments
cat "log$(wc -l < arguments)"
sleep {seconds} & echo $! > working; wait
while getopts st:o: option; do [ "$option" = o ] && out="$OPTARG"; done
shift $((OPTIND - 1))
{'echo compiled > "$out/$(basename "$1" .tflite)_edgetpu.tflite"' if writes else ""}
exit {code}
"""
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder / "arguments"

    return install


@pytest.fixture
def no_compiler(tmp_path, monkeypatch):
    """No edgetpu_compiler on the path, even on a machine that has it."""
    monkeypatch.setenv("PATH", str(tmp_path))
