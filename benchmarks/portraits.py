"""Photos of 640 x 480 px with a face in each, of which no two are alike."""

from __future__ import annotations

import cv2
import numpy as np
from coralline_demo.faces import PEOPLE, SHOTS, jpeg, photo

SIZE = (480, 640)  # height, width, px


def portrait(number: int) -> bytes:
    """One person before a wide, soft backdrop, as JPEG."""
    height, width = SIZE
    points = np.random.default_rng(number).uniform(40, 220, (5, 7))
    canvas = cv2.resize(points, (width, height), interpolation=cv2.INTER_CUBIC)
    face = photo(number * 4 % (PEOPLE * SHOTS))
    left = 20 + number * 3 % (width - face.shape[1] - 40)
    canvas[100 : 100 + face.shape[0], left : left + face.shape[1]] = face
    return jpeg(canvas.round().clip(0, 255).astype(np.uint8))
