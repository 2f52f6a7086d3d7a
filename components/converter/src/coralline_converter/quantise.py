"""A Keras model to an int8 LiteRT file."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def quantise(network: Any, calibration: NDArray[np.uint8], path: Path) -> None:
    """Write a full-integer LiteRT file: uint8 in, uint8 out, a static batch of 1.

    Accelerators take static shapes only. The rescaling is in the model, so the input's scale
    becomes 1 and its zero point 0: a device puts in its pixels as they are. (TensorFlow, "Full
    integer quantization", with a representative dataset.)

    Args:
        network: A Keras model with one image input of 0 to 255.
        calibration: uint8 (n, side, side, 3): what the ranges of activations are taken from.
        path: The file to write.
    """
    import keras
    import tensorflow as tf

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for pixels in (_full_range(calibration[0]), *calibration):
            yield [pixels[None].astype(np.float32)]

    name = network.input.name
    signature = keras.InputSpec(shape=(1, *network.input.shape[1:]), dtype="float32", name=name)
    with contextlib.redirect_stdout(io.StringIO()):  # the converter prints the model's signature
        network.export(
            str(path),
            format="litert",
            verbose=False,
            input_signature=[signature],
            optimizations=[tf.lite.Optimize.DEFAULT],
            representative_dataset=representative,
            target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            inference_input_type=tf.uint8,
            inference_output_type=tf.uint8,
        )


def _full_range(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blacken one pixel of a picture and whiten another.

    Else the input's scale would be that of the brightest picture seen, and raw pixels would be
    taken for darker ones.
    """
    full = pixels.copy()
    full[0, 0], full[-1, -1] = 0, 255
    return full


def quiet_tensorflow() -> None:
    """Keep TensorFlow's greetings out of the log. Call it before the first import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
