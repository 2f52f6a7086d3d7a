"""Which photos a change concerns: those that are the same, or in one group."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from coralline_curator.duplicates import near_pairs, near_to
from coralline_curator.groups import components

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from coralline_curator.catalogue import Catalogue, Indices

_FEW = 20  # of so many photos, one that has changed: with more, all are compared with all
_AT_ONCE = 50_000  # photos that are in memory as objects


def related(catalogue: Catalogue, changed: Indices, distance: int) -> Indices:
    """The photos whose fate may change with that of some others, ascending.

    These are the others, what is the same as they are now or were before, and the whole groups of
    all of them.

    Args:
        catalogue: All photos.
        changed: Those that have changed.
        distance: In how many bits the hashes of the same may differ.
    """
    columns, present = catalogue.photos, catalogue.present()
    if len(changed) * _FEW > len(catalogue):
        everything: Indices = np.flatnonzero(present | (columns["root"] >= 0))
        return everything
    there = np.flatnonzero(present)
    hashes = columns["phash"]
    near = there[near_to(hashes[changed], hashes[there], distance)] if len(changed) else changed
    findings = catalogue.findings
    sources = findings["source"][np.isin(findings["photo"], changed)]
    linked = findings["photo"][np.isin(findings["source"], sources[sources != 0])]
    concerned = np.unique(np.concatenate([changed, near, linked]))
    roots = np.unique(columns["root"][concerned])
    of_them = np.isin(columns["root"], roots[roots >= 0])
    of_them[concerned] = True
    found: Indices = np.flatnonzero(of_them)
    return found


def families(catalogue: Catalogue, members: Indices, distance: int) -> Iterator[Indices]:
    """Part photos into groups, and give out whole groups, many at a time.

    Photos are in one group where they are the same, or of one source's group, be it over others
    that are not kept. A group is named by the least sha256 of its photos: its `root`.

    Args:
        catalogue: All photos; the roots are noted there.
        members: Photos that are linked with no other. Of those that are gone, nothing is left.
        distance: In how many bits the hashes of the same may differ.

    Yields:
        Photos in the order of their sha256.
    """
    columns = catalogue.photos
    columns["root"][members] = -1
    columns["status"][members] = 0
    here = members[catalogue.present()[members]]
    here = here[np.argsort(columns["sha256"][here])]
    links = _same(columns["phash"][here], distance) + _of_one_source(catalogue, here)
    root = np.array(components(len(here), links), np.int64)
    columns["root"][here] = here[root]
    order = np.argsort(root, kind="stable")
    starts = np.flatnonzero(np.diff(root[order], prepend=-1))
    begun = 0
    for start, end in pairwise([*starts.tolist(), len(order)]):
        if end - begun > _AT_ONCE and start > begun:
            yield here[np.sort(order[begun:start])]
            begun = start
    if begun < len(order):
        yield here[np.sort(order[begun:])]


def _same(hashes: NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    """Enough pairs of the same to connect all that are the same."""
    order = np.argsort(hashes, kind="stable")
    values, first = np.unique(hashes[order], return_index=True)
    equal = np.stack([order[:-1], order[1:]], axis=1)[np.diff(hashes[order]) == 0]
    near = order[first][near_pairs(values, distance)]
    return _pairs(np.concatenate([equal, near]))


def _of_one_source(catalogue: Catalogue, here: Indices) -> list[tuple[int, int]]:
    """Enough pairs of photos of one source's group to connect all of each."""
    photo, finding = catalogue.findings_of(here)
    source = catalogue.findings["source"][finding]
    order = np.lexsort((photo, source))
    photo, source = photo[order], source[order]
    linked = (source[1:] == source[:-1]) & (source[1:] != 0) & (photo[1:] != photo[:-1])
    return _pairs(np.stack([photo[:-1], photo[1:]], axis=1)[linked])


def _pairs(array: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(one, other) for one, other in array.tolist()]
