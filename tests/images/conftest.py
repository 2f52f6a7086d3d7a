"""The images as `make images` left them, and containers as the strictest cluster runs them."""

import json
import subprocess

import pytest

STRICT = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
    "--env=HOME=/",
]


@pytest.fixture
def inspected():
    """Asks Docker what it knows of an image."""

    def inspected(reference):
        command = ["docker", "image", "inspect", reference]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]

    return inspected


@pytest.fixture
def run(built):
    """Runs a command in an image that may do next to nothing."""

    def run(image, *command, options=()):
        return subprocess.run(
            ["docker", "run", "--rm", *STRICT, *options, built[image], *command],
            capture_output=True,
            text=True,
        )

    return run
