"""Arm Ethos-U NPUs, through Arm's Vela compiler."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from coralline_edgetpu_compiler.graph import read_graph
from coralline_edgetpu_compiler.report import OpCount, TargetResult, mapped_share, reasons
from coralline_edgetpu_compiler.settings import SYSTEM_CONFIGS, family

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.graph import Graph
    from coralline_edgetpu_compiler.settings import EthosTarget

_MEMORY_MODES = {"u55": "Shared_Sram", "u65": "Dedicated_Sram", "u85": "Dedicated_Sram_384KB"}
_NPU_OP = "ethos-u"  # the custom op that holds what the NPU runs


def compile_for_ethos(target: EthosTarget, model: Path, graph: Graph, folder: Path) -> TargetResult:
    """Compile for an Ethos-U NPU.

    Vela ends well even where it leaves every op on the CPU, and counts its own ops, such as the
    thirty that it makes of a softmax. So the share is of the model's ops: whatever the compiled
    file still has beside the NPU's runs on the CPU.

    Args:
        target: The target's settings.
        model: The int8 .tflite file.
        graph: What is in it.
        folder: Gets the compiled file and Vela's log.
    """
    kind = family(target.name)
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "ethosu.vela", str(model)]
        command += ["--accelerator-config", target.name, "--config", "Arm/vela.ini"]
        command += ["--system-config", target.system_config or SYSTEM_CONFIGS[kind][0]]
        command += ["--memory-mode", target.memory_mode or _MEMORY_MODES[kind]]
        command += ["--show-cpu-operations", "--output-dir", name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        log = f"vela_{target.name}.log"
        (folder / log).write_text(done.stdout)
        if done.returncode:
            last = [line for line in done.stdout.splitlines() if line.strip()][-1:]
            why = f"not compiled: Vela failed: {''.join(last)} (see {log})"
            return TargetResult(name=target.name, compiled=False, reasons=(why,))
        (summary_file,) = Path(name).glob("*_summary_*.csv")
        with summary_file.open(newline="") as file:
            summary = next(csv.DictReader(file))
        output = folder / f"{model.stem}_vela_{target.name}.tflite"
        shutil.copyfile(Path(name, f"{model.stem}_vela.tflite"), output)
    ops = _fates(graph, read_graph(output), parse_reasons(done.stdout))
    share = mapped_share(ops)
    return TargetResult(
        name=target.name,
        compiled=share > 0,  # a model without an op for the NPU passes through unchanged
        mapped_share=share,
        reasons=reasons(ops),
        ops=ops,
        file=output.name,
        bytes=output.stat().st_size,
        sram_kib=float(summary["sram_memory_used"]),
        latency_ms=float(summary["inference_time"]) * 1000,
    )


def parse_reasons(log: str) -> dict[str, str]:
    """Why ops stay on the CPU, by the op's name, as Vela's log says it."""
    found = re.findall(
        r"^Warning \(supported operators\) operator: (\w+),.*\nReason: (.*)$", log, re.MULTILINE
    )
    by_op: dict[str, list[str]] = {}
    for op, why in found:
        # Vela adds the names of tensors, which are long and say nothing to people.
        short = re.sub(r" \(.*\)", "", why)
        if short not in by_op.setdefault(op, []):
            by_op[op].append(short)
    return {op: "; ".join(whys) for op, whys in by_op.items()}


def _fates(graph: Graph, compiled: Graph, why: dict[str, str]) -> tuple[OpCount, ...]:
    on_cpu = Counter(op.name for op in compiled.ops if op.name != _NPU_OP)
    on_npu = Counter(op.name for op in graph.ops) - on_cpu
    return (
        *(OpCount(op=op, count=count, mapped=True) for op, count in on_npu.items()),
        *(
            OpCount(op=op, count=count, mapped=False, reason=why.get(op, "left on the CPU"))
            for op, count in on_cpu.items()
        ),
    )
