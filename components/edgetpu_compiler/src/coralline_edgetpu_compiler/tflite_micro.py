"""Microcontrollers: the model run in TensorFlow Lite Micro's own interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from coralline_edgetpu_compiler.report import TargetResult

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_edgetpu_compiler.settings import TfliteMicroTarget

# In a process of its own: on a model that it cannot take, the interpreter aborts its process. The
# allocations are printed by C++, which only a process of its own lets us read.
_RUN = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime

interpreter = runtime.Interpreter.from_file(sys.argv[1])
details = interpreter.get_input_details(0)
interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
interpreter.invoke()
interpreter.get_output(0)
interpreter.print_allocations()
"""


def run_in_tflite_micro(target: TfliteMicroTarget, model: Path) -> TargetResult:
    """Run the model once, and read how much memory its arena takes.

    Args:
        target: The target's settings.
        model: The int8 .tflite file, which is what a microcontroller gets.
    """
    command = [sys.executable, "-c", _RUN, str(model)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    arena = re.search(r"Arena allocation total (\d+) bytes", done.stdout)
    if done.returncode or arena is None:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        said = f": {lines[-1]}" if lines else ""
        why = f"the interpreter ended with code {done.returncode}{said}"
        return TargetResult(name=target.name, compiled=False, reasons=(why,))
    return TargetResult(
        name=target.name,
        compiled=True,
        file=model.name,
        bytes=model.stat().st_size,
        arena_kib=int(arena[1]) / 1024,
    )
