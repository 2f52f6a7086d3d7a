"""Coral's Edge TPU: the static check, and the closed compiler where there is one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError

from coralline_edgetpu_compiler.edgetpu_check import check
from coralline_edgetpu_compiler.report import OpCount, TargetResult, mapped_share, reasons
from coralline_edgetpu_compiler.settings import COMPILER

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.graph import Graph
    from coralline_edgetpu_compiler.settings import EdgeTpuTarget

LOG = "edgetpu.log"
_INSTALL = (
    "Install it from Coral's Debian repository (x86-64): https://coral.ai/docs/edgetpu/compiler"
)
_MAPPED = "Mapped to Edge TPU"
_CRASH = "Internal compiler error"
_ATTEMPTS = 2  # that crash has been seen to go away
_GRACE = 30  # s beyond the compiler's own timer, which runs only while it compiles


class CompilerLog(NamedTuple):
    """What the compiler printed."""

    ops: tuple[OpCount, ...]
    error: str | None


def compile_for_edgetpu(
    target: EdgeTpuTarget, model: Path, graph: Graph, folder: Path
) -> TargetResult:
    """Compile for the Edge TPU, or say what the compiler would do.

    Args:
        target: The target's settings.
        model: The int8 .tflite file.
        graph: What is in it.
        folder: Gets the compiled file and the compiler's log.

    Raises:
        CorallineError: The compiler is required and not installed.
    """
    names = (op.name for op in graph.ops)
    predicted = tuple(
        OpCount(op=name, count=count, mapped=reason is None, reason=reason)
        for (name, reason), count in Counter(zip(names, check(graph), strict=True)).items()
    )
    compiler = find_compiler(target)
    if compiler is None:
        return TargetResult(
            name=target.name,
            compiled=False,
            predicted=True,
            mapped_share=mapped_share(predicted),
            reasons=(f"not compiled: {COMPILER} is not installed. {_INSTALL}", *reasons(predicted)),
            ops=predicted,
        )
    log, output = _run(compiler, model.resolve(), folder, target.timeout)
    if log.error is not None or output is None:
        error = log.error or "the compiler wrote no file"
        return TargetResult(
            name=target.name,
            compiled=False,
            predicted=True,
            reasons=(f"not compiled: {error} (see {LOG})", *reasons(predicted)),
            ops=predicted,
        )
    share = mapped_share(log.ops)
    return TargetResult(
        name=target.name,
        compiled=share > 0,  # the compiler speaks of success with no op mapped, too
        mapped_share=share,
        reasons=reasons(log.ops),
        ops=log.ops,
        file=output.name,
        bytes=output.stat().st_size,
    )


def find_compiler(target: EdgeTpuTarget) -> str | None:
    """Where the compiler is installed, if it is.

    Raises:
        CorallineError: It is required and not installed.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None and target.required:
        what = f"{COMPILER} is not installed, and the target edgetpu has `required: true`"
        raise CorallineError(what, where="compile.targets", fix=_INSTALL)
    return compiler


def parse_log(text: str) -> CompilerLog:
    """Read what the compiler printed, of versions 14 to 16.

    Its exit code and its 'compiled successfully' are not to be trusted: both come with no op
    mapped at all. The table of ops is what counts; an op stands there once a status, in any order.
    """
    table = re.findall(r"^([A-Z][A-Z0-9_]*)[ \t]+(\d+)[ \t]+(\S.*?)[ \t\r]*$", text, re.MULTILINE)
    ops = tuple(
        OpCount(
            op=name,
            count=int(count),
            mapped=status == _MAPPED,
            reason=None if status == _MAPPED else status,
        )
        for name, count, status in table
    )
    if "Compilation failed" in text or _CRASH in text:
        return CompilerLog(ops, _failure(text))
    if not ops:
        successful = "compiled successfully" in text
        why = "its log has no table of ops" if successful else _failure(text)
        return CompilerLog(ops, why)
    return CompilerLog(ops, None)


def _failure(text: str) -> str:
    """All that the compiler said, which is never much, without what it says of every model."""
    usual = (
        "Edge TPU Compiler version",
        "Started a compilation timeout timer",
        "Compilation child process completed within timeout",
    )
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(usual)]
    if len(said) > 1 and said[-1] == "Compilation failed!":
        said.pop()
    return "; ".join(said) or "the compiler said nothing"


def _run(compiler: str, model: Path, folder: Path, timeout: int) -> tuple[CompilerLog, Path | None]:
    """Run the compiler, again if it crashed; its log and its file go into the folder."""
    with tempfile.TemporaryDirectory() as name:
        command = [compiler, "-s", "-t", str(timeout), "-o", name, str(model)]
        for _ in range(_ATTEMPTS):
            printed = _output(command, name, timeout + _GRACE)
            log = parse_log(printed)
            if _CRASH not in printed:
                break
        (folder / LOG).write_text(printed, encoding="utf-8")
        made = Path(name, f"{model.stem}_edgetpu.tflite")
        if log.error is not None or not made.exists():
            return log, None
        return log, Path(shutil.copyfile(made, folder / made.name))


def _output(command: list[str], folder: str, timeout: int) -> str:
    # The installed command is a shell script around the compiler: a session ends both.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            return f"Compilation failed: no answer within {timeout} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
