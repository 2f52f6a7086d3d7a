"""A LiteRT model to what each target runs."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from coralline_core.reports import Gate

from coralline_edgetpu_compiler.edgetpu import compile_for_edgetpu, find_compiler
from coralline_edgetpu_compiler.graph import read_graph
from coralline_edgetpu_compiler.report import CompileReport, TargetResult
from coralline_edgetpu_compiler.settings import EdgeTpuTarget, EthosTarget, TfliteMicroTarget
from coralline_edgetpu_compiler.tflite_micro import run_in_tflite_micro
from coralline_edgetpu_compiler.vela import compile_for_ethos

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress

    from coralline_edgetpu_compiler.graph import Graph
    from coralline_edgetpu_compiler.settings import CompileSettings, Target


def compile_model(
    settings: CompileSettings, model: Path, folder: Path, progress: Progress
) -> CompileReport:
    """Compile a model for every target of the project.

    A target that fails, or a gate that does, is in the report; the others are compiled all the
    same.

    Args:
        settings: The `compile` section.
        model: The int8 .tflite file.
        folder: Gets the compiled files and the compilers' logs; whole or absent. What is there is
            replaced.
        progress: Hears of each target.

    Raises:
        CorallineError: The model cannot be read, or a compiler that is required is not installed.
            Nothing has been changed then.
    """
    started = time.monotonic()
    graph = read_graph(model)
    for target in settings.targets:
        if isinstance(target, EdgeTpuTarget):
            find_compiler(target)
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    targets = progress.track(settings.targets, len(settings.targets), "targets")
    results = tuple(_compile(target, model, graph, unfinished) for target in targets)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return CompileReport(
        targets=results,
        gates=tuple(
            gate
            for index, target in enumerate(settings.targets)
            for gate in _gates(f"compile.targets[{index}]", target, results[index])
        ),
        seconds=time.monotonic() - started,
    )


def _compile(target: Target, model: Path, graph: Graph, folder: Path) -> TargetResult:
    match target:
        case EdgeTpuTarget():
            return compile_for_edgetpu(target, model, graph, folder)
        case EthosTarget():
            return compile_for_ethos(target, model, graph, folder)
        case TfliteMicroTarget():
            return run_in_tflite_micro(target, model)


def _gates(key: str, target: Target, result: TargetResult) -> list[Gate]:
    """Hold the target's bounds against what came out."""
    if not result.compiled and result.mapped_share is None:
        return [Gate(key=key, passed=False, message=f"{target.name}: {result.reasons[0]}")]
    match target:
        case EdgeTpuTarget():
            return [_mapped(key, target, result)]
        case EthosTarget():
            most, used = target.max_sram_kib, result.sram_kib
            return [_mapped(key, target, result), *_at_most(key, target, "sram", used, most)]
        case TfliteMicroTarget():
            return _at_most(key, target, "arena", result.arena_kib, target.max_arena_kib)


def _mapped(key: str, target: EdgeTpuTarget | EthosTarget, result: TargetResult) -> Gate:
    share = result.mapped_share or 0.0
    foretold = ", as the static check predicts" if result.predicted else ""
    return Gate(
        key=f"{key}.min_mapped_share",
        passed=share >= target.min_mapped_share,
        message=f"{target.name}: {share:.1%} of the ops run on the accelerator{foretold} "
        f"(wanted: {target.min_mapped_share:.1%})",
    )


def _at_most(
    key: str, target: Target, memory: str, used: float | None, most: float | None
) -> list[Gate]:
    if used is None or most is None:
        return []
    message = f"{target.name}: {used:.1f} KiB of {memory} used (allowed: {most:.1f})"
    return [Gate(key=f"{key}.max_{memory}_kib", passed=used <= most, message=message)]
