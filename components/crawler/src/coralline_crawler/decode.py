"""Bytes to what is known of a picture, by the cheapest decoding that is complete."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coralline_crawler.rejects import RejectedError

Image.init()  # `Image.open(formats=…)` knows only the formats that are loaded
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such images are counted
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "AVIF": "avif",
}
_FORMATS = tuple(kind for kind in _SUFFIXES if kind != "MPO")  # which is opened as a JPEG
_TURNED_BY_EXIF = ("JPEG", "MPO", "PNG", "WEBP")  # by OpenCV, here and in all later steps
_ORIENTATION = 0x0112
_MAX_SCANS = 100  # of a progressive JPEG; encoders make a dozen, and at most 64
_HASH_SIDE = 32  # px
_HASH_FREQUENCIES = 8
_SHARPNESS_SIDE = 128  # px; a photo of 1024 px or more is decoded at an eighth of its size
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)


class Picture(NamedTuple):
    """What is known of a picture."""

    suffix: str
    """Of a file of its format, such as `jpg`."""
    width: int
    """In px, as shown: turned by EXIF."""
    height: int
    phash: int
    """64 bits."""
    sharpness: float
    """See `sharpness`."""


def inspect_image(data: bytes, max_pixels: int, min_side: int) -> Picture:
    """Decode a picture to its last byte, and hash what it shows.

    The header says how large it is before any pixel is decoded. A JPEG is decoded at a half to an
    eighth of its size: all its bytes are still read, which is what finds a truncated one, and most
    of the inverse transform is spared. Of an animation, the first frame is decoded.

    Args:
        data: A JPEG, PNG, WebP, GIF, BMP or AVIF file, whatever it was called.
        max_pixels: Most pixels.
        min_side: Least px of the shorter side.

    Raises:
        RejectedError: `not-an-image`, `truncated`, `too-many-pixels` or `too-small`.
    """
    with _opened(data, max_pixels) as image:
        kind = image.format or ""
        width, height = image.size
        if width * height > max_pixels:
            raise RejectedError("too-many-pixels")
        if min(width, height) < min_side:
            raise RejectedError("too-small")
        if kind == "PNG":
            _check_chunks(data)
        # Each scan goes over all pixels again: a file of 200 KB can take 8 s, one of 20 MB hours.
        if kind in ("JPEG", "MPO") and data.count(b"\xff\xda") > _MAX_SCANS:
            raise RejectedError("too-many-pixels")
        if _is_turned(image, data):
            width, height = height, width
    flag = next(
        (flag for by, flag in _REDUCED if min(width, height) >= by * _HASH_SIDE),
        cv2.IMREAD_GRAYSCALE,
    )
    try:
        gray = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:  # more px on one side than OpenCV takes, say
        gray = None
    if gray is None:
        raise RejectedError("truncated")
    shown = gray.astype(np.uint8, copy=False)
    return Picture(_SUFFIXES[kind], width, height, perceptual_hash(shown), sharpness(shown))


def perceptual_hash(gray: NDArray[np.uint8]) -> int:
    """The 64-bit pHash: which low frequencies of a picture are above their median.

    Bit for bit that of `imagehash.phash` but for the filter that resizes: the 8 by 8 lowest
    frequencies of the DCT-II of the picture at 32 by 32, row by row, the first in the highest bit
    (N. Krawetz, "Looks Like It", 2011).

    Args:
        gray: Shape (height, width), 0 to 255.
    """
    small = cv2.resize(gray, (_HASH_SIDE, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    low = _DCT @ small.astype(np.float32) @ _DCT.T
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def sharpness(gray: NDArray[np.uint8]) -> float:
    """How much fine detail a picture has: the variance of its Laplacian, 0 for none.

    It is measured where the shorter side is at most 128 px, so that large pictures compare whatever
    their size; it does not compare pictures below that of different sizes (J. L. Pech-Pacheco et
    al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).

    Args:
        gray: Shape (height, width), 0 to 255.
    """
    scale = _SHARPNESS_SIDE / min(gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, deviation = cv2.meanStdDev(cv2.Laplacian(gray, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def _dct_matrix() -> NDArray[np.float32]:
    frequency = np.arange(_HASH_FREQUENCIES)[:, None]
    position = 2 * np.arange(_HASH_SIDE) + 1
    cosines = np.cos(np.pi * frequency * position / (2 * _HASH_SIDE))
    return cosines.astype(np.float32)


_DCT = _dct_matrix()


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    """A picture whose header is read, and no more."""
    # Pillow makes room for some pixels as it opens a file: a GIF of 66 bytes asks for 3 GB.
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise RejectedError("not-an-image") from None
    except Image.DecompressionBombError:
        raise RejectedError("too-many-pixels") from None
    except Exception:  # noqa: BLE001 - Pillow's readers raise all kinds; it is about these bytes
        raise RejectedError("truncated") from None


def _is_turned(image: Image.Image, data: bytes) -> bool:
    """Whether a picture is shown with its sides exchanged."""
    if image.format not in _TURNED_BY_EXIF:
        return False
    if image.format == "PNG" and b"eXIf" not in data:
        return False  # which Pillow would decode the whole picture to find out
    try:
        return image.getexif().get(_ORIENTATION, 1) in range(5, 9)
    except Exception:  # noqa: BLE001 - as above; and OpenCV does not turn it either
        return False


def _check_chunks(data: bytes) -> None:
    """Reject a PNG with a chunk longer than the file: OpenCV makes room for what a chunk claims.

    84 bytes can claim 4 GB.
    """
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    if at > len(data):
        raise RejectedError("truncated")
