"""The pipeline on this machine, in processes or in containers: `kfp.local`, in its own process.

`kfp.local` prints, and sets up logging and `print` as it likes; a process of its own keeps that in
the run's log, off the terminal. It leads the process group of all the steps. Its stdin is a pipe
that only `coralline run` holds: when that ends, however it ends, the whole group is interrupted,
and every step keeps what it has, as on Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coralline.containers import Containers


def run(arguments: dict[str, Any], root: Path, containers: Containers | None = None) -> None:
    """Run the pipeline, in containers if they are given; its artifacts go below `root`.

    Raises:
        RuntimeError: A step failed; it has said why in the run's events or in its output.
    """
    from kfp import local

    from coralline.images import COMPONENTS
    from coralline.pipeline import train_pipeline

    # Our images hold the packages of this environment; kfp warns about every name it doesn't know.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    runner = containers.runner() if containers else local.SubprocessRunner(use_venv=False)
    local.init(runner, pipeline_root=str(root))
    images = containers.images if containers else COMPONENTS
    train_pipeline("coralline-train", images)(**arguments)


def _interrupt_at_end_of_stdin() -> None:
    # Not through sys.stdin, whose lock a thread still holds when the interpreter ends.
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGINT)


def main() -> None:
    """Run with the arguments of one file, in the containers that another describes, if any."""
    arguments, root, *more = (Path(argument) for argument in sys.argv[1:])
    threading.Thread(target=_interrupt_at_end_of_stdin, daemon=True).start()
    containers = _containers(*more)
    try:
        run(json.loads(arguments.read_text()), root, containers)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        if containers:
            containers.stop()
        sys.exit(130)


def _containers(file: Path | None = None) -> Containers | None:
    if file is None:
        return None
    from coralline.containers import Containers

    return Containers.model_validate_json(file.read_bytes())


if __name__ == "__main__":
    main()
