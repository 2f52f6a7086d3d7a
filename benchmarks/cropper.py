"""Finding and cutting faces, from a photo's bytes, on one core."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
from coralline_cropper.cut import Cropper
from coralline_cropper.decode import decode_image
from coralline_cropper.settings import CropSettings

from benchmarks.peer import Result, run_peer
from benchmarks.portraits import SIZE, portrait

PHOTOS = 100


def measure() -> list[Result]:
    """The same photos through YuNet (and our cutting), Haar and MTCNN."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PHOTOS):
            Path(folder, f"{number:03}.jpg").write_bytes(portrait(number))
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
