"""Coral's Edge TPU: the static check, and the closed compiler where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError
from coralline_core.model import INT8

from coralline_edgetpu_compiler.edgetpu_check import check
from coralline_edgetpu_compiler.graph import read_graph
from coralline_edgetpu_compiler.report import OpCount, TargetResult

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.settings import EdgeTpuTarget

COMPILER = "edgetpu_compiler"
OUTPUT = INT8.replace(".tflite", "_edgetpu.tflite")
LOG = "edgetpu.log"
INSTALL = (
    "Install it from Coral's Debian repository (x86-64): https://coral.ai/docs/edgetpu/compiler"
)
_MAPPED = "Mapped to Edge TPU"
_ATTEMPTS = 2  # 'Internal compiler error' has been seen to go away


class CompilerLog(NamedTuple):
    """What the compiler printed."""

    version: str | None
    ops: tuple[OpCount, ...]
    error: str | None


def compile_for_edgetpu(target: EdgeTpuTarget, model: Path, folder: Path) -> TargetResult:
    """Compile for the Edge TPU, or say what the compiler would do.

    Args:
        target: The target's settings.
        model: The int8 .tflite file.
        folder: Gets the compiled file and the compiler's log.

    Raises:
        CorallineError: The compiler is required and not installed.
    """
    graph = read_graph(model)
    predicted = _count(zip((op.name for op in graph.ops), check(graph), strict=True))
    compiler = shutil.which(COMPILER)
    if compiler is None:
        if target.required:
            what = f"{COMPILER} is not installed, and `required: true`"
            raise CorallineError(what, where="compile.targets: edgetpu", fix=INSTALL)
        return TargetResult(
            name=target.name,
            compiled=False,
            predicted=True,
            mapped_share=mapped_share(predicted),
            reasons=(f"not compiled: {COMPILER} is not installed. {INSTALL}", *reasons(predicted)),
            ops=predicted,
        )
    log, output = _run(compiler, model, folder, target.timeout)
    if log.error is not None or output is None:
        error = log.error or "the compiler wrote no file"
        return TargetResult(
            name=target.name,
            compiled=False,
            predicted=True,
            mapped_share=mapped_share(predicted),
            reasons=(f"not compiled: {error} (see {LOG})", *reasons(predicted)),
            ops=predicted,
        )
    return TargetResult(
        name=target.name,
        compiled=True,
        mapped_share=mapped_share(log.ops),
        reasons=reasons(log.ops),
        ops=log.ops,
        file=OUTPUT,
        bytes=output.stat().st_size,
    )


def parse_log(text: str) -> CompilerLog:
    """Read what the compiler printed, of versions 14 to 16.

    Its exit code and its 'compiled successfully' are not to be trusted: both come with no op
    mapped at all. The table of ops is what counts; an op stands there once a status, in any order.
    """
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    ops = tuple(
        OpCount(
            op=name,
            count=int(count),
            mapped=status.startswith(_MAPPED),
            reason=None if status.startswith(_MAPPED) else status,
        )
        for name, count, status in re.findall(
            r"^([A-Z][A-Z0-9_]*)[ \t]+(\d+)[ \t]+(\S.*?)[ \t]*$", text, re.MULTILINE
        )
    )
    failures = (
        r"(Internal compiler error\. Aborting!)",
        r"(Model not quantized)",
        r"(Compilation failed[^\n]*)",
        r"(Didn't find op for builtin opcode[^\n]*)",
        r"(Attempting to use a delegate that only supports static-sized tensors[^\n]*)",
        r"((?:ERROR|Error|error): [^\n]*)",
        r"(Compilation child process (?:timed out|failed)[^\n]*)",
        r"(Invalid model[^\n]*)",
    )
    found = next((m[1].strip() for m in (re.search(p, text) for p in failures) if m), None)
    if found is None and not ops:
        found = "the compiler's log has no table of ops"
    return CompilerLog(version[1] if version else None, ops, found)


def mapped_share(ops: tuple[OpCount, ...]) -> float:
    """The share of ops that run on the accelerator; 0 without ops."""
    total = sum(op.count for op in ops)
    return sum(op.count for op in ops if op.mapped) / total if total else 0.0


def reasons(ops: tuple[OpCount, ...]) -> tuple[str, ...]:
    """A line for every kind of op that does not run on the accelerator."""
    return tuple(f"{op.count} x {op.op}: {op.reason}" for op in ops if not op.mapped)


def _count(ops: zip[tuple[str, str | None]]) -> tuple[OpCount, ...]:
    return tuple(
        OpCount(op=name, count=count, mapped=reason is None, reason=reason)
        for (name, reason), count in Counter(ops).items()
    )


def _run(compiler: str, model: Path, folder: Path, timeout: int) -> tuple[CompilerLog, Path | None]:
    """Run the compiler, again if it crashed; its log and its file go into the folder."""
    with tempfile.TemporaryDirectory() as name:
        command = [compiler, "-s", "-t", str(timeout), "-o", name, str(model)]
        for _ in range(_ATTEMPTS):
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            log = parse_log(done.stdout)
            if not (log.error or "").startswith("Internal compiler error"):
                break
        (folder / LOG).write_text(done.stdout)
        made = Path(name, OUTPUT)
        if not made.exists():
            return log, None
        return log, Path(shutil.copyfile(made, folder / OUTPUT))
