"""The pipeline in processes on this machine: `kfp.local`, in a process of its own.

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
from typing import Any


def run(arguments: dict[str, Any], root: Path) -> None:
    """Run the pipeline; its artifacts go below `root`.

    Raises:
        RuntimeError: A step failed; it has said why in the run's events or in its output.
    """
    from kfp import local

    from coralline.images import COMPONENTS
    from coralline.pipeline import train_pipeline

    # Our images hold the packages of this environment; kfp warns about every name it doesn't know.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root))
    train_pipeline("coralline-train", COMPONENTS)(**arguments)


def _interrupt_at_end_of_stdin() -> None:
    # Not through sys.stdin, whose lock a thread still holds when the interpreter ends.
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGINT)


def main() -> None:
    """Read the pipeline's arguments from the file that the command line names, and run."""
    arguments_file, root = (Path(argument) for argument in sys.argv[1:])
    threading.Thread(target=_interrupt_at_end_of_stdin, daemon=True).start()
    try:
        run(json.loads(arguments_file.read_text()), root)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
