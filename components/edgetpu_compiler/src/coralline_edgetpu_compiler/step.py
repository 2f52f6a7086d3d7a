"""The compiler as a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step
from coralline_core.model import INT8

from coralline_edgetpu_compiler.settings import CompileSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: CompileSettings,
    _store: Store,
    progress: Progress,
    *,
    converted: Path,
    compiled: Path,
    report: Path,
) -> None:
    """Compile an int8 model for accelerators, and say which op runs where.

    Reads model_int8.tflite of the folder CONVERTED; writes the folder COMPILED and the JSON file
    REPORT.

    Example:
        python -m coralline_edgetpu_compiler --settings compile.yaml --store ./store
            --converted converted --compiled compiled --report report.json
    """
    from coralline_edgetpu_compiler.compile import compile_model

    compile_model(settings, converted / INT8, compiled, progress).write(report)


execute = Step("compile", CompileSettings, _work)
