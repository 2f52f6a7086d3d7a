"""Running an int8 LiteRT file, as a device would."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RUNTIME = f"ai-edge-litert {version('ai-edge-litert')}, one thread, default kernels"
_LATENCY_RUNS = 50
_SCALE_TOLERANCE = 0.002  # half a step at the brightest pixel


class Int8Model:
    """A full-integer classifier.

    Args:
        path: The .tflite file.

    Raises:
        CorallineError: It does not take raw uint8 pixels one image at a time, its output is not
            uint8, or it has float tensors.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        batch = (self._input["shape_signature"][0], self._output["shape_signature"][0])
        types = (self._input["dtype"], self._output["dtype"])
        floats = [
            tensor["name"]
            for tensor in self._interpreter.get_tensor_details()
            if tensor["dtype"] == np.float32
        ]
        scale, zero = self._input["quantization"]
        raw = zero == 0 and abs(scale - 1) < _SCALE_TOLERANCE
        if batch != (1, 1) or types != (np.uint8, np.uint8) or floats or not raw:
            raise CorallineError(
                f"not a full-integer model of raw pixels: batches {batch}, "
                f"types {[t.__name__ for t in types]}, float tensors {floats[:3]}, "
                f"input scale {scale:.4f} and zero point {zero}",
                where=str(path),
                fix="Its layers have ops that the quantiser leaves in float; use others.",
            )

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify one image.

        Args:
            pixels: Shape (height, width, 3), RGB, 0 to 255.

        Returns:
            Shape (labels,), summing to 1: the output dequantised, and evened out, as 256 steps
            do not sum to one exactly.
        """
        self._interpreter.set_tensor(self._input["index"], pixels[None])
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._output["index"])[0]
        scale, zero = self._output["quantization"]
        values = np.maximum((raw.astype(np.float32) - zero) * scale, 0)
        total = values.sum()
        even = np.full_like(values, 1 / len(values))
        return np.asarray(values / total if total > 0 else even, np.float32)

    def latency(self, pixels: NDArray[np.uint8]) -> float:
        """The median time of a run on one core, in ms."""
        taken = []
        for _ in range(_LATENCY_RUNS):
            started = time.perf_counter()
            self.probabilities(pixels)
            taken.append(time.perf_counter() - started)
        return float(np.median(taken)) * 1000
