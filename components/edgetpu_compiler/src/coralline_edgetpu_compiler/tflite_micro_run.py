"""A process that runs a model in TensorFlow Lite Micro, and prints what came of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

_ARENA = 64 << 20  # bytes there are; how many of them are used is printed


def run(model: Path) -> None:
    """Run a model on a random image, always the same, here and in LiteRT.

    LiteRT's reference kernels compute as a microcontroller's do. Its default kernels round
    otherwise, and a fault would hide among the last bits.

    Args:
        model: The .tflite file.
    """
    micro = runtime.Interpreter.from_file(str(model), arena_size=_ARENA)
    details = micro.get_input_details(0)
    image = np.random.default_rng(0).integers(0, 256, details["shape"]).astype(details["dtype"])
    micro.set_input(image, 0)
    micro.invoke()
    micro.print_allocations()

    litert = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    litert.allocate_tensors()
    litert.set_tensor(litert.get_input_details()[0]["index"], image)
    litert.invoke()
    expected = litert.get_tensor(litert.get_output_details()[0]["index"])
    difference = np.abs(micro.get_output(0).astype(np.float64) - expected).max()
    print(f"Largest difference {difference}")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
