"""What the tests share: project files, and the command as a person starts it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def project_file(tmp_path):
    """Writes a project file with a name and two labels, and with more below them."""

    def write(more="", name="p", labels="a: {queries: [x]}\n  b: {queries: [y]}"):
        path = tmp_path / "p.yaml"
        path.write_text(f"name: {name}\nlabels:\n  {labels}\n{more}")
        return path

    return write


@pytest.fixture
def coralline(tmp_path):
    """Starts the command in tmp_path; what a failed test leaves running is ended."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [Path(sys.executable).with_name("coralline"), *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def finish(coralline):
    """Runs the command to its end: its exit code, what it printed, and the lines of its errors."""

    def finish(*arguments):
        process = coralline(*arguments)
        printed, errors = process.communicate(timeout=120)
        return process.returncode, printed, errors.splitlines()

    return finish
