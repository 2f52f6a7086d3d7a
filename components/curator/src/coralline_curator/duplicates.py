"""Near duplicates: all pairs of perceptual hashes within a Hamming distance."""

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

_BITS = 64
_TABLE_BITS = 20


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """Every pair of hashes that differ in at most `distance` bits; none is missed.

    The 64 bits are cut into `distance + 2` bands. So few differing bits leave two bands equal at
    least (the pigeonhole principle, as in Norouzi, Punjani and Fleet, "Fast search in Hamming
    space with multi-index hashing", CVPR 2012), so only hashes that agree in some two bands are
    compared. Equal hashes are pairs too: where there may be many, pass each once.

    Args:
        hashes: Shape (n,).
        distance: 0 to 62.

    Returns:
        Shape (k, 2), indices into `hashes`, the smaller first, in ascending order.

    >>> near_pairs(np.array([0b0000, 0b1111, 0b0011], np.uint64), 2).tolist()
    [[0, 2], [1, 2]]
    """
    bands = _bands(distance + 2)
    found = [np.empty((2, 0), np.int64)]
    for second in range(1, len(bands)):
        for first in range(second):
            # A pair is taken where its first two equal bands are looked at, and nowhere else.
            unequal = [bands[band] for band in range(second) if band != first]
            found += _agreeing(hashes, bands[first] | bands[second], unequal, distance)
    pairs = np.sort(np.concatenate(found, axis=1), axis=0)
    return pairs[:, np.lexsort((pairs[1], pairs[0]))].T


def near_to(new: NDArray[np.uint64], old: NDArray[np.uint64], distance: int) -> NDArray[np.int64]:
    """Every hash of `old` that differs in at most `distance` bits from one of `new`.

    By the same bands as `near_pairs`, but without sorting `old`: the few that agree with any of
    `new` in two bands are found in a table of bits, in one pass over `old` for each two bands.

    Args:
        new: Shape (n,), few.
        old: Shape (m,), many.
        distance: 0 to 62.

    Returns:
        Indices into `old`, ascending.

    >>> near_to(np.array([0b0011], np.uint64), np.array([0, 0b1100, 0b0111], np.uint64), 2).tolist()
    [0, 2]
    """
    bands = _bands(distance + 2)
    found = np.zeros(len(old), bool)
    for first, second in combinations(bands, 2):
        mask = first | second
        table = np.zeros(1 << _TABLE_BITS, bool)
        table[_slot(new & mask)] = True
        at = np.flatnonzero(table[_slot(old & mask)])
        at = at[~found[at]]
        keys = new & mask
        order = np.argsort(keys)
        keys, ordered = keys[order], new[order]
        at_keys = old[at] & mask
        start, end = np.searchsorted(keys, at_keys), np.searchsorted(keys, at_keys, side="right")
        while len(at):
            left = start < end
            at, start, end = at[left], start[left], end[left]
            near = np.bitwise_count(old[at] ^ ordered[start]) <= distance
            found[at[near]] = True
            at, start, end = at[~near], start[~near] + 1, end[~near]
    return np.flatnonzero(found)


def _slot(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Keys to places in a table (multiplicative hashing, Knuth, TAOCP vol. 3, 6.4)."""
    return (keys * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(64 - _TABLE_BITS)


def _bands(count: int) -> list[np.uint64]:
    """Masks of about 64 / count neighbouring bits each, together all 64."""
    if not 2 <= count <= _BITS:
        raise ValueError(f"a distance of {count - 2}: it must be 0 to {_BITS - 2}")
    edges = [_BITS * band // count for band in range(count + 1)]
    return [np.uint64((1 << end) - (1 << start)) for start, end in pairwise(edges)]


def _agreeing(
    hashes: NDArray[np.uint64], equal: np.uint64, unequal: list[np.uint64], distance: int
) -> list[NDArray[np.int64]]:
    """The near pairs that agree under the mask `equal`, and under none of the others: (2, k) each.

    Sorted by what is under the mask, those that agree are neighbours: each is compared with the
    next one, then with the one after that, and so on, while any has one left. Memory stays linear
    however many agree.
    """
    keys = hashes & equal
    order = np.argsort(keys)
    keys, ordered = keys[order], hashes[order]
    ends = np.searchsorted(keys, keys, side="right")
    left = np.arange(len(hashes))
    pairs = []
    for step in range(1, len(hashes)):
        left = left[left + step < ends[left]]
        if not len(left):
            break
        different = ordered[left] ^ ordered[left + step]
        near = np.bitwise_count(different) <= distance
        for mask in unequal:
            near &= (different & mask) != 0
        at = left[near]
        if len(at):
            pairs.append(np.stack([order[at], order[at + step]]))
    return pairs
