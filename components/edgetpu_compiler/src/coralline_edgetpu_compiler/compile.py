"""A LiteRT model to what each target runs."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from coralline_core.model import INT8
from coralline_core.reports import Gate

from coralline_edgetpu_compiler.edgetpu import compile_for_edgetpu
from coralline_edgetpu_compiler.report import CompileReport, TargetResult
from coralline_edgetpu_compiler.settings import EdgeTpuTarget, EthosTarget
from coralline_edgetpu_compiler.tflite_micro import run_in_tflite_micro
from coralline_edgetpu_compiler.vela import compile_for_ethos

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress

    from coralline_edgetpu_compiler.settings import CompileSettings, Target


def compile_model(
    settings: CompileSettings, converted: Path, folder: Path, progress: Progress
) -> CompileReport:
    """Compile a converted model for every target of the project.

    Args:
        settings: The `compile` section.
        converted: The converter's folder, with model_int8.tflite.
        folder: Gets the compiled files and the compilers' logs; whole or absent.
        progress: Hears of each target.

    Raises:
        CorallineError: A compiler that is required is not installed, or refuses.
    """
    started = time.monotonic()
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    targets = progress.track(settings.targets, len(settings.targets), "targets")
    results = [_compile(target, converted / INT8, unfinished) for target in targets]
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return CompileReport(
        targets=tuple(results),
        gates=tuple(
            gate
            for target, result in zip(settings.targets, results, strict=True)
            for gate in _gates(target, result)
        ),
        seconds=time.monotonic() - started,
    )


def _compile(target: Target, model: Path, folder: Path) -> TargetResult:
    if isinstance(target, EdgeTpuTarget):
        return compile_for_edgetpu(target, model, folder)
    if isinstance(target, EthosTarget):
        return compile_for_ethos(target, model, folder)
    return run_in_tflite_micro(target, model)


def _gates(target: Target, result: TargetResult) -> list[Gate]:
    """Hold the target's bounds against what came out."""
    key = f"compile.targets: {target.name}"
    if isinstance(target, EdgeTpuTarget | EthosTarget):
        share = result.mapped_share or 0.0
        what = f"{target.name}: {share:.1%} of the ops run on the accelerator"
        foretold = ", as the static check predicts" if result.predicted else ""
        wanted = f" (wanted: {target.min_mapped_share:.1%})"
        gates = [
            Gate(
                key=f"{key}.min_mapped_share",
                passed=share >= target.min_mapped_share,
                message=what + foretold + wanted,
            )
        ]
        if isinstance(target, EthosTarget) and target.max_sram_kib is not None:
            gates.append(_at_most(f"{key}.max_sram_kib", result.sram_kib, target.max_sram_kib))
        return gates
    if target.max_arena_kib is not None:
        return [_at_most(f"{key}.max_arena_kib", result.arena_kib, target.max_arena_kib)]
    return []


def _at_most(key: str, used: float | None, most: float) -> Gate:
    found = "an unknown amount of" if used is None else f"{used:.0f} KiB of"
    message = (
        f"{key.split('.')[1].removeprefix('targets: ')} uses {found} memory (most: {most:.0f})"
    )
    return Gate(key=key, passed=used is not None and used <= most, message=message)
