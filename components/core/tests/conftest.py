"""What the core's tests share: a store, rows, and a temporary folder that can be looked into."""

import hashlib
import tempfile

import pytest
from coralline_core.store import FileStore


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, empty at first."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def make_row():
    """Makes a row of IMAGES from its image's bytes."""

    def make(image, label="cat", **columns):
        sha256 = hashlib.sha256(image).hexdigest()
        return {
            "image": {"bytes": image, "path": None},
            "sha256": sha256,
            "label": label,
            **columns,
        }

    return make
