"""A change makes anew what it touches, and nothing else; the same source gives the same image."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
REGISTRY = "coralline-test"
SECONDS = 20  # that a rebuild after a change in one step may take
CONTENT = "find /opt/coralline -type f -exec sha256sum {} + | sort --key=2"


@pytest.fixture
def bake():
    """Builds images of a source tree under names of their own, which are removed in the end."""
    references = set()

    def bake(tree, images, *options):
        environment = {**os.environ, "CORALLINE_REGISTRY": REGISTRY}
        command = ["docker", "buildx", "bake", "-f", "images/docker-bake.hcl", *options, *images]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        references.update(f"{REGISTRY}/{image}:latest" for image in images)
        return done.stderr

    yield bake
    subprocess.run(["docker", "image", "rm", *references], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    """A copy of what images are built from, at another place and with other times."""
    for name in (".dockerignore", "pyproject.toml", "uv.lock"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("components", "examples", "pipelines", "images"):
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored, copy_function=shutil.copy)
    return tmp_path


def test_a_change_in_one_step_makes_one_layer_anew_of_one_image(built, tree, bake, inspected):
    def layers():
        every = {image: inspected(f"{REGISTRY}/{image}:latest") for image in built}
        return {image: (of["Id"], of["RootFS"]["Layers"]) for image, of in every.items()}

    bake(tree, built)
    before = layers()
    with (tree / "components/cropper/src/coralline_cropper/crop.py").open("a") as source:
        source.write(f"\n# {time.time()}\n")
    started = time.monotonic()
    bake(tree, built)
    seconds = time.monotonic() - started
    print(f"rebuilt in {seconds:.1f} s")
    after = layers()
    assert [image for image in built if after[image] != before[image]] == ["cropper"]
    (_, old), (_, new) = before["cropper"], after["cropper"]
    assert new[:-1] == old[:-1]
    assert new[-1] != old[-1]
    assert seconds <= SECONDS

    with (tree / "components/core/src/coralline_core/rows.py").open("a") as source:
        source.write(f"\n# {time.time()}\n")
    bake(tree, built)
    changed = layers()
    for image, (_, old) in after.items():
        assert changed[image][1][:-2] == old[:-2]
        assert changed[image][1][-2] != old[-2]


def test_what_is_no_source_changes_no_image(built, tree, bake, inspected):
    bake(tree, built)
    before = {image: inspected(f"{REGISTRY}/{image}:latest")["Id"] for image in built}
    (tree / "components/cropper/tests").mkdir()
    (tree / "components/cropper/tests/test_new.py").touch()
    (tree / "docs").mkdir()
    (tree / "docs/new.md").touch()
    with (tree / "pyproject.toml").open("a") as project:
        project.write("\n# a tool's settings\n")
    bake(tree, built)
    after = {image: inspected(f"{REGISTRY}/{image}:latest")["Id"] for image in built}
    assert after == before


def test_a_build_from_nothing_gives_the_same_files(tree, bake):
    reference = f"{REGISTRY}/curator:latest"

    def files():
        command = ["docker", "run", "--rm", "--network=none", reference, "sh", "-c", CONTENT]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    bake(tree, ["curator"])
    before = files()
    assert before.count("\n") > 1000
    bake(tree, ["curator"], "--no-cache")
    assert files() == before
