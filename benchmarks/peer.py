"""Running a peer in an environment of its own, and what a comparison says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

UV = Path(__file__).parents[1] / ".uv" / "bin" / "uv"
PEERS = Path(__file__).with_name("peers")


class Result(NamedTuple):
    """One comparison: two rates in the same unit, more is better."""

    what: str
    ours: float
    peer: str
    theirs: float
    unit: str


def run_peer(script: str, *arguments: object, packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run `peers/<script>.py` and read the JSON object that it prints last.

    Args:
        script: Its name.
        arguments: Its arguments.
        packages: What to install for it, apart from this workspace; none: run it in the workspace.

    Raises:
        subprocess.CalledProcessError: It failed; what it printed is on stderr.
    """
    python = [sys.executable]
    if packages:
        python = [str(UV), "run", "--quiet", "--no-project", "--isolated"]
        python += [part for package in packages for part in ("--with", package)]
    command = [*python, str(PEERS / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
