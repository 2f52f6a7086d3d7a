"""Bytes to pixels and back, the same when a model is trained and when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is wrong with an image is counted or said by us; OpenCV's own warnings, of that and of the
# network's back end, would only cut into a live display.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def decode_image(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a picture as a person would see it.

    Turned by EXIF; CMYK, gray and palettes to colour; 16 bits to 8; the first frame of an
    animation; transparency dropped.

    Args:
        data: A JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or JPEG 2000 file.

    Returns:
        Shape (height, width, 3), BGR, uint8, 0 to 255; None where `data` is no whole picture.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # no bytes, or more pixels than OpenCV takes
        return None
    return None if pixels is None else pixels.astype(np.uint8, copy=False)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture (height, width, 3), BGR, without loss."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def encode_thumbnail(pixels: NDArray[np.uint8], longest: int = 96) -> bytes:
    """Encode a small JPEG of a picture (height, width, 3), BGR, for people to look at.

    Args:
        pixels: The picture.
        longest: Most px of its longer side; it is never enlarged.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, 85))[1].tobytes()
