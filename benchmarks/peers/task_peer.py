"""Tasks that do nothing, through `kfp.local`: `python task_peer.py step|component COUNT`.

What is timed is a task more: a pipeline of COUNT tasks against one of a single task.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from typing import Any

from kfp import dsl, local


@dsl.component(base_image="none", install_kfp_package=False)
def idle_step(store: str) -> None:
    """A step as ours are: its shell, and no work."""
    from coralline_core.command import Step
    from coralline_core.settings import Settings

    Step("idle", Settings, lambda *_: None)({}, store)


@dsl.component(base_image="none")
def idle_component(store: str) -> None:
    """As KFP's guide writes one: it installs kfp before it runs."""


def seconds(task: Any, count: int) -> float:
    """The time of a pipeline of so many tasks, one after another."""

    @dsl.pipeline
    def idle(store: str) -> None:
        before = None
        for _ in range(count):
            this = task(store=store)
            if before is not None:
                this.after(before)
            before = this

    with tempfile.TemporaryDirectory() as folder:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=folder)
        started = time.perf_counter()
        idle(store=f"{folder}/store")
        return time.perf_counter() - started


kind, count = sys.argv[1], int(sys.argv[2])
task = idle_step if kind == "step" else idle_component
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    one, many = seconds(task, 1), seconds(task, count + 1)
print(json.dumps({"seconds": (many - one) / count}))
