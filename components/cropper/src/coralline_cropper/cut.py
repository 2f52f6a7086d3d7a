"""A photo's pixels to its crops: the one way, in training and in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from coralline_core.errors import CorallineError

from coralline_cropper.detect import FaceDetector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from coralline_cropper.box_file import DrawnBox
    from coralline_cropper.settings import CropSettings


class Box(NamedTuple):
    """A rectangle inside a photo, in whole px, at least 1 x 1."""

    left: int
    top: int
    width: int
    height: int


class Region(NamedTuple):
    """What is to be cut out of a photo."""

    box: Box
    score: float | None = None
    """The face detector's, 0 to 1."""
    label: str | None = None
    """A drawn box may have one of its own."""


class Crop(NamedTuple):
    """What was cut out."""

    region: Region
    pixels: NDArray[np.uint8]
    """Shape (size, size, 3), BGR, 0 to 255."""


class Cropper:
    """Cuts photos as the settings say. Threads may share it.

    Raises:
        CorallineError: The face detector's weights are missing.
    """

    def __init__(self, settings: CropSettings) -> None:
        self._settings = settings
        self._detector = (
            FaceDetector(settings.detector_size, settings.score_threshold)
            if settings.mode == "face"
            else None
        )

    def crops(self, pixels: NDArray[np.uint8]) -> list[Crop]:
        """The crops of a photo (height, width, 3), BGR, uint8: one, several or none."""
        return [self.cut(pixels, r) for r in self.regions(pixels) if self.is_large_enough(r)]

    def regions(self, pixels: NDArray[np.uint8], drawn: Sequence[DrawnBox] = ()) -> list[Region]:
        """What there is to cut in a photo, from left to right, however small.

        Args:
            pixels: Shape (height, width, 3), BGR, uint8.
            drawn: The photo's boxes, for `mode: boxes`.

        Raises:
            CorallineError: A drawn box lies outside the photo.
        """
        height, width = pixels.shape[:2]
        if self._settings.mode == "whole":
            return [Region(Box(0, 0, width, height))]
        regions = []
        for face in self._detector.detect(pixels) if self._detector else ():
            box = region_around(face.box, self._settings.margin, width, height)
            if box is not None:
                regions.append(Region(box, score=face.score))
        for line in drawn:
            box = region_around(line.box, self._settings.margin, width, height)
            if box is None:
                what = f"the box lies outside its photo of {width}x{height} px"
                raise CorallineError(what, where=line.where)
            regions.append(Region(box, label=line.label))
        return sorted(regions, key=lambda region: (region.box, region.label or ""))

    def is_large_enough(self, region: Region) -> bool:
        """Whether the region's shorter side has `min_size`."""
        return min(region.box.width, region.box.height) >= self._settings.min_size

    def cut(self, pixels: NDArray[np.uint8], region: Region) -> Crop:
        """Cut a region out, and squeeze it to the size of crops.

        Averaged over areas where it shrinks, linear where it grows: do the same on a device.
        """
        left, top, width, height = region.box
        size = self._settings.size
        squeezed = cv2.resize(
            pixels[top : top + height, left : left + width],
            (size, size),
            interpolation=cv2.INTER_AREA if min(width, height) >= size else cv2.INTER_LINEAR,
        )
        return Crop(region, squeezed.astype(np.uint8, copy=False))


def region_around(
    box: tuple[float, float, float, float], margin: float, width: int, height: int
) -> Box | None:
    """A box with its margin, widened to a square about its centre and clipped at the borders.

    So a crop is squeezed only where a border cuts into it.

    Args:
        box: Left, top, width, height in px; it may reach over the borders.
        margin: Added on each side, as a share of the box's longer side.
        width: Of the photo, px.
        height: Of the photo, px.

    Returns:
        None where nothing of it lies in the photo.

    >>> region_around((10, 10, 20, 10), 0.25, width=100, height=100)
    Box(left=5, top=0, width=30, height=30)
    """
    half = max(box[2], box[3]) * (0.5 + margin)
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    left, right = max(0, round(x - half)), min(width, round(x + half))
    top, bottom = max(0, round(y - half)), min(height, round(y + half))
    if left >= right or top >= bottom:
        return None
    return Box(left, top, right - left, bottom - top)
