"""What there is to wait for before any work: the command's start, and a pipeline's task."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.peer import Result, run_peer

STARTS = 10
TASKS = 10


def measure() -> list[Result]:
    """`coralline --help` against `kfp --help`; an idle step against KFP's own idle component."""
    ours, theirs = (_starts(command) for command in ("coralline", "kfp"))
    step = run_peer("task_peer", "step", TASKS)
    packages = ("kfp==2.17.0", "pip")
    component = run_peer("task_peer", "component", TASKS, packages=packages)
    return [
        Result("--help", ours, "kfp --help", theirs, "starts/s"),
        Result(
            "a task that does nothing, in a process",
            1 / step["seconds"],
            "KFP's component as it comes",
            1 / component["seconds"],
            "tasks/s",
        ),
    ]


def _starts(command: str) -> float:
    path = Path(sys.executable).with_name(command)
    subprocess.run([path, "--help"], stdout=subprocess.DEVNULL, check=True)
    started = time.perf_counter()
    for _ in range(STARTS):
        subprocess.run([path, "--help"], stdout=subprocess.DEVNULL, check=True)
    return STARTS / (time.perf_counter() - started)
