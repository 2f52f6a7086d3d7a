"""Near duplicates: bands of hashes against imagehash, every pair."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from coralline_curator.duplicates import near_pairs

from benchmarks.peer import Result, run_peer

DISTANCE = 6


def measure() -> list[Result]:
    """The same 3,000 hashes by both; then 100,000 by ours alone, against the peer's rate."""
    few, many = _hashes(3_000), _hashes(100_000)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "hashes.npy")
        np.save(file, few)
        peer = run_peer("imagehash_peer", file, DISTANCE, packages=("imagehash==4.3.2",))
    pairs, seconds = _timed(few)
    if pairs != peer["pairs"]:
        raise RuntimeError(f"{pairs} pairs found, imagehash finds {peer['pairs']}")
    rate = _comparisons(few) / peer["seconds"]
    return [
        Result(
            f"near duplicates among {len(hashes):,} hashes",
            _comparisons(hashes) / spent / 1e6,
            "imagehash, every pair of 3,000",
            rate / 1e6,
            "M pairs/s",
        )
        for hashes, spent in ((few, seconds), (many, _timed(many)[1]))
    ]


def _hashes(count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Random hashes, one in ten with a neighbour a few bits away."""
    random = np.random.default_rng(count)
    hashes = random.integers(0, 2**64, count, np.uint64)
    copies = random.integers(0, count, count // 10)
    flips = np.uint64(1) << random.integers(0, 64, (3, len(copies)), np.uint64)
    hashes[: len(copies)] = hashes[copies] ^ flips[0] ^ flips[1] ^ flips[2]
    return hashes


def _timed(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> tuple[int, float]:
    started = time.perf_counter()
    pairs = len(near_pairs(hashes, DISTANCE))
    return pairs, time.perf_counter() - started


def _comparisons(hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> float:
    return len(hashes) * (len(hashes) - 1) / 2
