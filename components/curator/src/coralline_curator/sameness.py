"""Which photos are the same, which one of them is kept, and which contradict each other."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
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
    values, inverse = np.unique(
        np.array([photo.phash for photo in photos], np.uint64), return_inverse=True
    )
    # Many photos may have one hash, and their pairs be far more: so the pairs are of hashes.
    pairs = near_pairs(values, distance).tolist()
    hashes, hash_of = values.tolist(), inverse.tolist()
    near: list[list[int]] = [[] for _ in hashes]
    for one, other in pairs:
        near[one].append(other)
        near[other].append(one)
    owners: list[list[int]] = [[] for _ in hashes]
    for index, own in enumerate(hash_of):
        owners[own].append(index)

    disputed = _disputed(
        [{label for i in mine for label in photos[i].labels} for mine in owners], near
    )
    roots = components(len(hashes), [pair for pair in pairs if disputed.issuperset(pair)])
    conflicts = defaultdict(list)
    kept: dict[int, int] = {}
    replaced: dict[int, int] = {}
    for index in sorted(range(len(photos)), key=lambda i: (-photos[i].pixels, photos[i].sha256)):
        own = hash_of[index]
        if own in disputed:
            conflicts[roots[own]].append(index)
        elif same := [other for other in (own, *near[own]) if other in kept]:
            nearest = min(
                same, key=lambda other: ((hashes[own] ^ hashes[other]).bit_count(), other)
            )
            replaced[index] = kept[nearest]
        else:
            kept[own] = index
    links = [pair for mine in owners for pair in pairwise(mine)]
    links += [(owners[one][0], owners[other][0]) for one, other in pairs]
    return Sameness(
        sorted(kept.values()),
        replaced,
        sorted(sorted(these) for these in conflicts.values()),
        links,
    )


def _disputed(labels: Sequence[set[str]], near: Sequence[Sequence[int]]) -> set[int]:
    """The hashes that have, together with those near them, more than one label."""
    return {
        own
        for own, others in enumerate(near)
        if len(labels[own].union(*(labels[other] for other in others))) > 1
    }
