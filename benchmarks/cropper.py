"""Finding and cutting faces, from a photo's bytes, on one core."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from coralline_cropper.cut import Cropper
from coralline_cropper.decode import decode_image
from coralline_cropper.settings import CropSettings
from coralline_demo.faces import jpeg, photo

from benchmarks.peer import Result, run_peer

PHOTOS = 100
SIZE = (480, 640)  # height, width, px


def measure() -> list[Result]:
    """The same photos through YuNet (and our cutting), Haar and MTCNN."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PHOTOS):
            Path(folder, f"{number:03}.jpg").write_bytes(_photo(number))
        ours, found = _ours(Path(folder))
        haar = run_peer("haar_peer", folder, packages=("opencv-python-headless==4.13.*",))
        mtcnn = run_peer(
            "mtcnn_peer",
            folder,
            packages=("mtcnn==1.0.0", "tensorflow==2.21.*", "opencv-python-headless==4.13.*"),
        )
    what = f"faces of {PHOTOS} photos of {SIZE[1]}x{SIZE[0]}"
    return [
        Result(
            f"{what} ({found} found)",
            ours,
            f"{name} ({peer['faces']} found)",
            PHOTOS / peer["seconds"],
            "photos/s",
        )
        for name, peer in (("Haar, OpenCV 4.13", haar), ("MTCNN", mtcnn))
    ]


def _ours(folder: Path) -> tuple[float, int]:
    cv2.setNumThreads(1)
    cropper = Cropper(CropSettings())
    photos = [path.read_bytes() for path in sorted(folder.iterdir())]
    _crops(cropper, photos[0])
    started = time.perf_counter()
    found = sum(_crops(cropper, data) for data in photos)
    return PHOTOS / (time.perf_counter() - started), found


def _crops(cropper: Cropper, data: bytes) -> int:
    pixels = decode_image(data)
    assert pixels is not None
    return len(cropper.crops(pixels))


def _photo(number: int) -> bytes:
    """One person before a wide, soft backdrop, as JPEG."""
    height, width = SIZE
    points = np.random.default_rng(number).uniform(40, 220, (5, 7))
    canvas = cv2.resize(points, (width, height), interpolation=cv2.INTER_CUBIC)
    face = photo(number * 4)
    left = 20 + number * 3 % (width - face.shape[1] - 40)
    canvas[100 : 100 + face.shape[0], left : left + face.shape[1]] = face
    return jpeg(canvas.round().clip(0, 255).astype(np.uint8))
