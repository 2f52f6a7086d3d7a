"""The curator's report, from the catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from coralline_core.shards import read_table

from coralline_curator.catalogue import DISCARDED, DISPUTED, KEPT, REPLACED
from coralline_curator.report import CurateReport, NearDuplicate, Picture

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset
    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_curator.catalogue import Catalogue, Indices
    from coralline_curator.settings import Split

_EXAMPLES = 50


def tell(
    catalogue: Catalogue,
    changed: Indices,
    images: Dataset,
    store: Store,
    counts: dict[str, dict[Split, int]],
    moved: int,
    started: float,
) -> CurateReport:
    """Say what became of all photos, with some of them as examples.

    Args:
        catalogue: Of which the decisions are made.
        changed: Photos that were found elsewhere the last time.
        images: The dataset that it follows.
        store: Where that is: the addresses of examples are looked up there.
        counts: Kept images by label and split.
        moved: Keys that left their split.
        started: When the curation began, of `time.monotonic`.
    """
    status, by = catalogue.photos["status"], catalogue.photos["by"]
    pairs = _nearest_first(catalogue)[:_EXAMPLES]
    conflicts, of_conflict = np.unique(by[status == DISPUTED], return_inverse=True)
    disputed = np.flatnonzero(status == DISPUTED)
    first = np.argsort(catalogue.photos["sha256"][conflicts])[:_EXAMPLES]
    examples = [disputed[of_conflict == conflict] for conflict in first.tolist()]
    shown = np.unique(np.concatenate([pairs, by[pairs], *examples]).astype(np.int64))
    pictures = _pictures(catalogue, shown, changed, images, store)
    sizes = np.bincount(catalogue.photos["root"][status == KEPT])
    return CurateReport(
        **_totals(catalogue),
        near_duplicates=[
            NearDuplicate(
                rejected=pictures[photo],
                kept=pictures[kept],
                distance=_distance(catalogue, photo, kept),
            )
            for photo, kept in zip(pairs.tolist(), by[pairs].tolist(), strict=True)
        ],
        conflicts=[
            sorted((pictures[photo] for photo in photos.tolist()), key=lambda one: one.sha256)
            for photos in examples
        ],
        conflict_count=len(conflicts),
        groups=int((sizes > 0).sum()),
        largest_group=int(sizes.max(initial=0)),
        moved=moved,
        counts=counts,
        shares={
            label: {split: n / sum(splits.values()) for split, n in splits.items()}
            for label, splits in counts.items()
        },
        seconds=time.monotonic() - started,
    )


def _totals(catalogue: Catalogue) -> dict[str, Any]:
    """How many were found and kept, and why the others were not."""
    status, findings = catalogue.photos["status"], catalogue.findings
    labels = len(catalogue.labels) + 1
    photo = findings["photo"].astype(np.int64)
    under = _distinct(photo * labels + findings["label"]) // labels
    found = len(_distinct(catalogue.identities()))
    labels_of = np.bincount(under, minlength=len(catalogue))
    of = {one: int(labels_of[status == one].sum()) for one in (KEPT, REPLACED, DISPUTED, DISCARDED)}
    kept, replaced = (int((status == one).sum()) for one in (KEPT, REPLACED))
    return {
        "found": found,
        "kept": kept,
        "rejected": {
            "duplicate": found - len(under),
            "near-duplicate": replaced,
            "two-labels": of[DISPUTED],
            "corrected": of[DISCARDED] + of[KEPT] - kept + of[REPLACED] - replaced,
        },
    }


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Each value once: many times faster than `np.unique`, which hashes."""
    values = np.sort(values)
    once: NDArray[Any] = values[np.diff(values, prepend=values[:1] - 1) != 0]
    return once


def _nearest_first(catalogue: Catalogue) -> Indices:
    """Near duplicates, those that differ most from what is kept before the others."""
    columns = catalogue.photos
    replaced = np.flatnonzero(columns["status"] == REPLACED)
    hashes = columns["phash"]
    distance = np.bitwise_count(hashes[replaced] ^ hashes[columns["by"][replaced]])
    found: Indices = replaced[np.lexsort((columns["sha256"][replaced], -distance.astype(np.int64)))]
    return found


def _distance(catalogue: Catalogue, one: int, other: int) -> int:
    hashes = catalogue.photos["phash"]
    return (int(hashes[one]) ^ int(hashes[other])).bit_count()


def _pictures(
    catalogue: Catalogue, shown: Indices, changed: Indices, images: Dataset, store: Store
) -> dict[int, Picture]:
    """How the report names some photos: by the first of their addresses."""
    names = [sha256.decode() for sha256 in catalogue.photos["sha256"][shown].tolist()]
    fresh = np.isin(shown, changed).tolist()
    pictures = {
        name: Picture.model_validate(catalogue.pictures[name])
        for name, is_fresh in zip(names, fresh, strict=True)
        if name in catalogue.pictures and not is_fresh
    }
    wanted = shown[[name not in pictures for name in names]]
    for name, addresses in _addresses(catalogue, wanted, images, store).items():
        image_url, page_url = min((image or "", page or "") for _, image, page in addresses)
        pictures[name] = Picture(
            sha256=name,
            labels=tuple(sorted({label for label, _, _ in addresses})),
            image_url=image_url,
            page_url=page_url,
        )
    catalogue.pictures = {name: picture.model_dump() for name, picture in pictures.items()}
    return {photo: pictures[name] for photo, name in zip(shown.tolist(), names, strict=True)}


def _addresses(
    catalogue: Catalogue, photos: Indices, images: Dataset, store: Store
) -> dict[str, list[tuple[Any, ...]]]:
    """Where some photos were found: label, image's and page's URL, by sha256."""
    wanted = {sha256.decode() for sha256 in catalogue.photos["sha256"][photos].tolist()}
    _, finding = catalogue.findings_of(photos)
    keys = {catalogue.segments[at] for at in np.unique(catalogue.findings["segment"][finding])}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for part in images.selection or images.shards:
        if part.key in keys:
            table = read_table(store, part, ["sha256", "label", "image_url", "page_url"])
            for sha256, *address in zip(
                *(column.to_pylist() for column in table.columns), strict=True
            ):
                if sha256 in wanted and address[0] in images.counts:
                    found.setdefault(sha256, []).append(tuple(address))
    return found
