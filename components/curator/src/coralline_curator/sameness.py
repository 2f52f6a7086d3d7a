"""Which photos are the same, which one of them is kept, and which contradict each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coralline_curator.duplicates import near_pairs
from coralline_curator.groups import components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_curator.photos import Photo


class Sameness(NamedTuple):
    """What was found about photos, which it names by their indices."""

    kept: list[int]
    """One of each that are the same, in ascending order."""
    replaced: dict[int, int]
    """Near duplicates, and the kept photo that each of them is nearest to."""
    conflicts: list[list[int]]
    """Photos that are the same under different labels: together, ascending."""
    links: list[tuple[int, int]]
    """Enough pairs of the same to connect all that are the same."""


def compare(photos: Sequence[Photo], distance: int) -> Sameness:
    """Compare every photo with every other by perceptual hash.

    Two photos are the same where their hashes differ in at most `distance` bits. A photo that is
    the same as one with another label is a conflict, and so is that one. Of the others the
    largest are kept: going from large to small, every photo that is the same as none that was
    kept before. So no two that are kept are the same, and nothing is dropped for being the same
    as something that is like something else.
    """
    hashes, inverse = np.unique(
        np.array([photo.phash for photo in photos], np.uint64), return_inverse=True
    )
    # Photos with equal hashes may be many, and all their pairs far more: pairs are of hashes.
    pairs = near_pairs(hashes, distance).tolist()
    ...
