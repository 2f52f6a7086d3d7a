"""Which photos are the same, which one of them is kept, and which contradict each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from coralline_curator.duplicates import near_pairs
from coralline_curator.groups import components

if TYPE_CHECKING:
    from collections.abc import Sequence


class Photo(NamedTuple):
    """The same bytes, wherever they were found."""

    sha256: str
    phash: int
    """A perceptual hash of 64 bits."""
    pixels: int
    labels: frozenset[str]
    """What it was found under; more than one is a contradiction."""
    said: str | None = None
    """What people said that it shows: they have the last word. Empty: none of the labels."""


class Sameness(NamedTuple):
    """What was found about photos, which it names by their indices."""

    kept: dict[int, str]
    """One of each that are the same, in ascending order, and its label."""
    replaced: dict[int, int]
    """Near duplicates, and the kept photo that each of them is nearest to."""
    conflicts: list[list[int]]
    """Photos that are the same under different labels: together, ascending."""
    discarded: list[int]
    """Photos that people said show none of the labels, and those that are the same, ascending."""


def compare(photos: Sequence[Photo], distance: int) -> Sameness:
    """Compare every photo with every other by perceptual hash.

    Two photos are the same where their hashes differ in at most `distance` bits. What people said
    of a photo counts for it and for all that are the same, and what they were found under does not.
    A photo that is then still the same as one with another label is a conflict, and so is that one.
    Of the others the largest are kept: going from large to small, every photo that is the same as
    none that was kept before. So no two that are kept are the same, and nothing is dropped for
    being the same as something that is like something else.
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

    labels = _labels([[photos[index] for index in mine] for mine in owners], near)
    disputed = {
        own
        for own, others in enumerate(near)
        if len(labels[own].union(*(labels[other] for other in others))) > 1
    }
    roots = components(len(hashes), [pair for pair in pairs if disputed.issuperset(pair)])
    conflicts = defaultdict(list)
    discarded: list[int] = []
    kept: dict[int, int] = {}
    replaced: dict[int, int] = {}
    for index in sorted(range(len(photos)), key=lambda i: (-photos[i].pixels, photos[i].sha256)):
        own = hash_of[index]
        if own in disputed:
            conflicts[roots[own]].append(index)
        elif labels[own] == {""}:
            discarded.append(index)
        elif same := [other for other in (own, *near[own]) if other in kept]:
            nearest = min(
                same, key=lambda other: ((hashes[own] ^ hashes[other]).bit_count(), other)
            )
            replaced[index] = kept[nearest]
        else:
            kept[own] = index
    return Sameness(
        {index: min(labels[own]) for index, own in sorted((i, own) for own, i in kept.items())},
        replaced,
        sorted(sorted(these) for these in conflicts.values()),
        sorted(discarded),
    )


def _labels(owners: Sequence[Sequence[Photo]], near: Sequence[Sequence[int]]) -> list[set[str]]:
    """By hash, the labels that count for its photos: `""` for none of the project's."""
    said = [{photo.said for photo in mine if photo.said is not None} for mine in owners]
    labels = []
    for own, mine in enumerate(owners):
        theirs = said[own] or set().union(*(said[other] for other in near[own]))
        labels.append(theirs or set().union(*(photo.labels for photo in mine)))
    return labels
