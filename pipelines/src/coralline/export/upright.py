"""Photos as they are seen."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

_ORIENTATION = 0x0112  # of EXIF; 1 is upright
_QUALITY = 95


def upright(data: bytes) -> bytes:
    """A photo that EXIF turns, turned and encoded anew; any other as it is.

    Args:
        data: An image file.

    Returns:
        One of the same format, whose pixels need no turning.
    """
    with Image.open(io.BytesIO(data)) as image:
        kind = "JPEG" if image.format == "MPO" else image.format
        # Of a PNG without EXIF, Pillow would decode all pixels to look for it.
        if kind not in ("JPEG", "PNG", "WEBP") or (kind == "PNG" and b"eXIf" not in data):
            return data
        if image.getexif().get(_ORIENTATION, 1) not in range(2, 9):
            return data
        turned = io.BytesIO()
        ImageOps.exif_transpose(image).save(
            turned, kind, quality=_QUALITY, icc_profile=image.info.get("icc_profile")
        )
    return turned.getvalue()
