"""Arm Ethos-U NPUs, through Arm's Vela compiler."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError

from coralline_edgetpu_compiler.edgetpu import mapped_share
from coralline_edgetpu_compiler.report import OpCount, TargetResult

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.settings import EthosTarget

# By the NPU's family: a system and a memory mode of Arm's vela.ini that boards have.
_CONFIGURATIONS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "u65": ("Ethos_U65_High_End", "Dedicated_Sram"),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}


class VelaLog(NamedTuple):
    """What Vela printed: the ops by where they run, and why some stay on the CPU."""

    ops: tuple[OpCount, ...]
    reasons: tuple[str, ...]


def compile_for_ethos(target: EthosTarget, model: Path, folder: Path) -> TargetResult:
    """Compile for an Ethos-U NPU.

    Args:
        target: The target's settings.
        model: The int8 .tflite file.
        folder: Gets the compiled file and Vela's log.

    Raises:
        CorallineError: Vela refuses, as with an unknown system configuration.
    """
    family = target.name.split("-")[1]
    system, memory = _CONFIGURATIONS[family]
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "ethosu.vela", str(model)]
        command += ["--accelerator-config", target.name, "--config", "Arm/vela.ini"]
        command += ["--system-config", target.system_config or system]
        command += ["--memory-mode", target.memory_mode or memory]
        command += ["--show-cpu-operations", "--output-dir", name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        (folder / f"vela_{target.name}.log").write_text(done.stdout)
        made = Path(name, f"{model.stem}_vela.tflite")
        summaries = list(Path(name).glob(f"{model.stem}_summary_*.csv"))
        if done.returncode or not made.exists() or not summaries:
            lines = [line for line in done.stdout.splitlines() if line.strip()]
            raise CorallineError(
                f"Vela failed: {lines[-1] if lines else 'it said nothing'}",
                where=f"compile.targets: {target.name}",
                fix="Check `system_config` and `memory_mode` against Arm's vela.ini.",
            )
        with summaries[0].open(newline="") as file:
            summary = next(csv.DictReader(file))
        output = folder / f"{model.stem}_vela_{target.name}.tflite"
        shutil.copyfile(made, output)
    log = parse_log(done.stdout)
    share = mapped_share(log.ops)
    return TargetResult(
        name=target.name,
        compiled=share > 0,  # a model without an op for the NPU passes through unchanged
        mapped_share=share,
        reasons=log.reasons,
        ops=log.ops,
        file=output.name,
        bytes=output.stat().st_size,
        sram_kib=float(summary["sram_memory_used"]),
        latency_ms=float(summary["inference_time"]) * 1000,
    )


def parse_log(text: str) -> VelaLog:
    """Read how many ops run where, as Vela counts them after its own splitting and fusing."""
    counts = {
        place: int(count)
        for place, count in re.findall(r"^(CPU|NPU) operators = (\d+)", text, re.M)
    }
    on_cpu = re.findall(r"^\s*Warning .*?operator: (\w+).*\nReason: (.*)$", text, re.MULTILINE)
    unnamed = [(op, "runs on the CPU") for op in re.findall(r"^\s+CPU: (\w+) =", text, re.M)]
    found = dict.fromkeys(f"{op}: {why}" for op, why in on_cpu or unnamed)
    ops = [OpCount(op="all on the NPU", count=counts.get("NPU", 0), mapped=True)]
    if counts.get("CPU"):
        why = "; ".join(found) or None
        ops.append(OpCount(op="all on the CPU", count=counts["CPU"], mapped=False, reason=why))
    return VelaLog(tuple(op for op in ops if op.count), tuple(found))
