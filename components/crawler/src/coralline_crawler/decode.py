"""Bytes to what is known of a picture, by the cheapest decoding that is complete."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coralline_crawler.rejects import RejectedError

Image.init()  # `Image.open(formats=…)` knows only the formats that are loaded
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such images are counted

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
_TURNED_BY_EXIF = ("JPEG", "MPO", "PNG", "WEBP")  # by OpenCV, with which later steps read
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THE_SIDE = (5, 6, 7, 8)
_MAX_SIDE = 1 << 20  # px; OpenCV takes no more
_MAX_SCANS = 100  # of a progressive JPEG; encoders make a dozen, and at most 64
_HASH_SIDE = 32  # px
_HASH_FREQUENCIES = 8
_SHARPNESS_SIDE = 128  # px; a photo of 1024 px or more is decoded at an eighth of its size


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
        if width * height > max_pixels or max(width, height) > _MAX_SIDE:
            raise RejectedError("too-many-pixels")
        if min(width, height) < min_side:
            raise RejectedError("too-small")
        _check_end(kind, data)
        # Each scan goes over all pixels again: a file of 200 KB can take 8 s, one of 20 MB hours.
        if kind in ("JPEG", "MPO") and data.count(b"\xff\xda") > _MAX_SCANS:
            raise RejectedError("too-many-pixels")
        orientation = _orientation(image, data)
        gray = _decoded(image)
    if orientation in _TURNS:
        gray = gray.transpose(_TURNS[orientation])
    if orientation in _ON_THE_SIDE:
        width, height = height, width
    return Picture(_SUFFIXES[kind], width, height, perceptual_hash(gray), sharpness(gray))


def perceptual_hash(gray: Image.Image) -> int:
    """The 64-bit pHash: which low frequencies of a picture are above their median.

    Bit for bit that of `imagehash.phash` but for the filter that resizes: the 8 by 8 lowest
    frequencies of the DCT-II of the picture at 32 by 32, row by row, the first in the highest bit
    (N. Krawetz, "Looks Like It", 2011).

    Args:
        gray: Of mode L.
    """
    low = _DCT @ _averaged(gray, _HASH_SIDE, _HASH_SIDE).astype(np.float32) @ _DCT.T
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def sharpness(gray: Image.Image) -> float:
    """How much fine detail a picture has: the variance of its Laplacian, 0 for none.

    It is measured where the shorter side is at most 128 px, so that large pictures compare whatever
    their size; it does not compare pictures below that of different sizes (J. L. Pech-Pacheco et
    al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).

    Args:
        gray: Of mode L.
    """
    scale = min(1, _SHARPNESS_SIDE / min(gray.size))
    pixels = _averaged(gray, round(gray.width * scale), round(gray.height * scale))
    around = np.pad(pixels.astype(np.int16), 1, mode="reflect")
    beside = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    return float(np.var(beside - 4 * around[1:-1, 1:-1], dtype=np.float32))


def _averaged(gray: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """A picture at another size, where each pixel is the mean of the area that it covers.

    Pillow's box filter takes or leaves a pixel on an area's edge, so it does only the first part,
    by whole numbers.
    """
    if gray.size == (width, height):
        return np.asarray(gray)
    nearer = gray.reduce((max(1, gray.width // (4 * width)), max(1, gray.height // (4 * height))))
    mean = _row_means(_row_means(np.asarray(nearer, np.float64), height).T, width).T
    return np.rint(mean).astype(np.uint8)


def _row_means(pixels: NDArray[np.float64], areas: int) -> NDArray[np.float64]:
    """The means of as many equal areas of rows, shared ones by their parts.

    By sums, as a product of matrices would wake all of BLAS's threads for a small picture.
    """
    rows = len(pixels)
    edges = np.linspace(0, rows, areas + 1)
    whole = np.minimum(edges.astype(np.intp), rows - 1)
    above = np.vstack([np.zeros_like(pixels[:1]), np.cumsum(pixels, axis=0)])
    sums = above[whole] + (edges - whole)[:, None] * pixels[whole]
    return np.diff(sums, axis=0) * areas / rows


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


def _decoded(image: Image.Image) -> Image.Image:
    """The picture in gray (L), a JPEG at down to an eighth of its size, but no less than hashed."""
    try:
        image.draft("L", (_HASH_SIDE, _HASH_SIDE))
        image.load()
    except Exception:  # noqa: BLE001 - as above
        raise RejectedError("truncated") from None
    if image.mode.startswith("I"):  # 16 bits, which `convert` would clip
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image.info.pop("transparency", None)  # it is not looked at, and Pillow would warn of it
    return image.convert("L")


def _orientation(image: Image.Image, data: bytes) -> int:
    """How a picture is to be turned to be shown, as EXIF counts: 1 for not at all."""
    if image.format not in _TURNED_BY_EXIF:
        return 1
    if image.format == "PNG" and b"eXIf" not in data:
        return 1  # which Pillow would decode the whole picture to find out
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - as above; and OpenCV does not turn it either
        return 1


def _check_end(kind: str, data: bytes) -> None:
    """Reject what has all its pixels and still not its end, and later steps do not read.

    A chunk of a PNG may claim 4 GB in a file of 84 bytes: no decoder gets to see it.
    """
    whole = True
    if kind == "PNG":
        at = 8
        while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        whole = at + 12 <= len(data)
    elif kind == "GIF":
        whole = data.rstrip(b"\0").endswith(b";")
    if not whole:
        raise RejectedError("truncated")
