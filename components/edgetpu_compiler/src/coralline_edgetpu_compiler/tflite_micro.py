"""Microcontrollers: the model run in TensorFlow Lite Micro's own interpreter."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from coralline_edgetpu_compiler.report import TargetResult

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_edgetpu_compiler.settings import TfliteMicroTarget


def run_in_tflite_micro(target: TfliteMicroTarget, model: Path) -> TargetResult:
    """Run the model once, read how much memory its arena takes, and compare it with LiteRT.

    In a process of its own: the interpreters abort their process on a model that they cannot
    take, and the allocations are printed from C++.

    Args:
        target: The target's settings.
        model: The int8 .tflite file, which is what a microcontroller gets.
    """
    command = [sys.executable, "-m", f"{__name__}_run", str(model)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        why = _failure(done.returncode, done.stdout)
        return TargetResult(name=target.name, compiled=False, reasons=(why,))
    return TargetResult(
        name=target.name,
        compiled=True,
        bytes=model.stat().st_size,
        arena_kib=_number(r"Arena allocation total (\d+) bytes", done.stdout) / 1024,
        max_difference=_number(r"Largest difference (\S+)", done.stdout),
    )


def _number(pattern: str, printed: str) -> float:
    (found,) = re.findall(pattern, printed)
    return float(found)


def _failure(code: int, printed: str) -> str:
    """What the interpreter said before Python's own words, or how its process ended."""
    before, _, _ = printed.partition("Traceback")
    lines = before.splitlines() if code < 0 or before.strip() else printed.splitlines()[-1:]
    said = "; ".join(line.strip() for line in lines if line.strip())
    if code < 0:
        ended = f"the interpreter ended its process by {signal.Signals(-code).name}"
        return f"{ended}: {said}" if said else ended
    return f"the interpreter refused the model: {said}"
