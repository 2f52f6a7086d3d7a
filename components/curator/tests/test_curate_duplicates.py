"""Every near pair, and no other."""

import tracemalloc
from functools import reduce
from operator import xor

import numpy as np
import pytest
from coralline_curator.duplicates import near_pairs, near_to
from coralline_curator.groups import components
from hypothesis import given, settings
from hypothesis import strategies as st

hashes_ = st.integers(0, 2**64 - 1)


@st.composite
def alike(draw) -> list[int]:
    """Hashes of which many differ in a few bits: those of chance alone are never near."""
    seeds = draw(st.lists(hashes_, min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=9)
    changed = st.tuples(st.sampled_from(seeds), flips)
    return [
        reduce(xor, (1 << bit for bit in bits), seed)
        for seed, bits in draw(st.lists(changed, max_size=30))
    ]


def by_force(hashes: list[int], distance: int) -> list[list[int]]:
    n = len(hashes)
    pairs = [[i, j] for i in range(n) for j in range(i + 1, n)]
    return [[i, j] for i, j in pairs if (hashes[i] ^ hashes[j]).bit_count() <= distance]


@settings(max_examples=300, deadline=None)
@given(alike(), st.integers(0, 20))
def test_near_pairs_are_those_of_brute_force(hashes, distance):
    found = near_pairs(np.array(hashes, np.uint64), distance)
    assert found.tolist() == by_force(hashes, distance)


@pytest.mark.parametrize("distance", [0, 1, 6, 31])
def test_near_pairs_among_random_hashes(distance):
    hashes = np.random.default_rng(distance).integers(0, 2**64, 60, np.uint64)
    hashes[30:] = hashes[:30] ^ np.uint64(0b1011)
    assert near_pairs(hashes, distance).tolist() == by_force(hashes.tolist(), distance)


def test_nothing_and_one_have_no_pairs():
    for n in (0, 1):
        assert near_pairs(np.zeros(n, np.uint64), 6).shape == (0, 2)


@pytest.mark.parametrize("distance", [-1, 63])
def test_a_distance_that_makes_no_sense(distance):
    with pytest.raises(ValueError, match="it must be 0 to 62"):
        near_pairs(np.zeros(2, np.uint64), distance)


def test_memory_stays_linear_where_many_agree():
    # 4,000 hashes that share half of their bits: 8 million pairs to compare, hardly one near.
    hashes = np.random.default_rng(0).integers(0, 2**32, 4000, np.uint64)
    tracemalloc.start()
    found = near_pairs(hashes, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) < 10
    assert peak < 4_000_000


@given(st.integers(1, 12), st.data())
def test_components_are_what_links_connect(n, data):
    things = st.integers(0, n - 1)
    links = data.draw(st.lists(st.tuples(things, things), max_size=15))
    reached = np.eye(n, dtype=bool)
    for one, other in links:
        reached[one, other] = reached[other, one] = True
    for _ in range(n):
        reached = reached @ reached
    assert components(n, links) == reached.argmax(axis=1).tolist()


@settings(max_examples=200, deadline=None)
@given(alike(), alike(), st.integers(0, 20))
def test_what_is_near_to_new_ones_is_that_of_brute_force(new, old, distance):
    found = near_to(np.array(new, np.uint64), np.array([*old, *new], np.uint64), distance)
    everything = [*old, *new]
    assert found.tolist() == [
        index
        for index, hash_ in enumerate(everything)
        if any((hash_ ^ one).bit_count() <= distance for one in new)
    ]
