"""A part of a measurement in a process of its own: its peak of memory is then its own, too."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.abc import MetaPathFinder


class _WithoutPandas(MetaPathFinder):
    """Has pandas not installed, as where the steps run.

    The tests' tools bring it, pyarrow imports it where it is there, and that takes a second.
    """

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("hidden from measurements", name=name)


def run(module: str, *arguments: str) -> str:
    """Run a module as a script, and return what it prints.

    Raises:
        CalledProcessError: It failed.
    """
    command = [sys.executable, "-m", "benchmarks.apart", module, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Be that process."""
    sys.meta_path.insert(0, _WithoutPandas())
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
