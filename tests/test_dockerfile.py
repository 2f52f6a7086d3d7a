"""What can be said of the Dockerfile without building it: of Coral's compiler, all that can."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_hadolint_finds_nothing_in_the_dockerfile():
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--failure-threshold=style", ROOT / "images/Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
