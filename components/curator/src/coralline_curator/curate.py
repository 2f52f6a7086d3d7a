"""Images to a clean, grouped and split dataset, from their metadata alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from coralline_core.corrections import corrected
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError

from coralline_curator.catalogue import (
    ABSENT,
    DISCARDED,
    DISPUTED,
    KEPT,
    NO_LABEL,
    NOTHING_SAID,
    REPLACED,
    Catalogue,
)
from coralline_curator.neighbours import families, related
from coralline_curator.sameness import Photo, compare
from coralline_curator.selected import bring_up_to_date, rows_of
from coralline_curator.splits import SPLITS, Groups, deal
from coralline_curator.tell import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_curator.catalogue import Indices
    from coralline_curator.report import CurateReport
    from coralline_curator.settings import CurateSettings, Split


def curate(
    settings: CurateSettings, images: Dataset, store: Store, progress: Progress
) -> tuple[Dataset, CurateReport]:
    """Keep one of each photo, none of those under two labels, and deal the rest to splits.

    What people said of a photo (see `coralline_core.corrections`) counts before what it was found
    under. Only photos that have changed since the store's last curation, and those that are or
    were the same or in one group with them, are compared: their number is what it costs.

    Args:
        settings: The project file's `curate` section.
        images: A dataset of kind `images`. Rows of labels that its `counts` lack are left out.
        store: Where its shards are; a selection, and under `splits/` what is dealt, go there.
        progress: Hears of labels that end up without images for validation.

    Returns:
        The curated dataset, over the same shards, and what became of the images. The same images
        and settings give the same rows again, in whatever order they were crawled.

    Raises:
        CorallineError: A label has nothing left, or too few groups for train and test.
    """
    started = time.monotonic()
    distance = settings.near_duplicate_distance
    catalogue = Catalogue.load(store, distance, progress)
    changed = catalogue.follow(images, store)
    if catalogue.log.refresh(store):  # by another curation, which may have moved any group
        changed = np.arange(len(catalogue))
    changed = np.union1d(changed, catalogue.hear(corrected(store)))
    progress.update(0, len(changed), "images that are new or have changed")
    members = related(catalogue, changed, distance)
    before = rows_of(catalogue, members, shard="named")
    moved = 0
    if len(members):
        for family in families(catalogue, members, distance):
            _compare(catalogue, family, distance)
        _check_labels(catalogue, images.labels)
        moved = _deal(catalogue, members, settings, store)
        bring_up_to_date(catalogue, members, before, store)
    counts = _counts(catalogue, images.labels)
    dataset = Dataset(
        kind="curated",
        shards=images.shards,
        selection=catalogue.selection,
        counts={label: {s: n for s, n in by.items() if n} for label, by in counts.items()},
        parents=(images.id,),
        settings=settings.model_dump(mode="json"),
    )
    report = tell(catalogue, changed, images, store, counts, moved, started)
    if len(changed):
        catalogue.save(store, distance)
    _warn(report, progress)
    progress.update(len(changed), len(changed), "images", f"{report.kept} kept")
    return dataset, report


def _compare(catalogue: Catalogue, family: Indices, distance: int) -> None:
    """Decide what is kept of photos that no other is the same as or in one group with.

    Args:
        catalogue: Where they are, and what is decided is noted.
        family: Photos, by their sha256, and their groups whole.
        distance: See `compare`.
    """
    photos = _photos(catalogue, family)
    same = compare(photos, distance)
    columns = catalogue.photos
    columns["status"][family] = ABSENT
    columns["by"][family] = -1
    for index, label in same.kept.items():
        columns["status"][family[index]] = KEPT
        columns["label"][family[index]] = catalogue.labels.index(label)
    for index, kept in same.replaced.items():
        columns["status"][family[index]] = REPLACED
        columns["by"][family[index]] = family[kept]
    for photos_ in same.conflicts:
        columns["status"][family[photos_]] = DISPUTED
        columns["by"][family[photos_]] = family[photos_[0]]
    columns["status"][family[same.discarded]] = DISCARDED


def _photos(catalogue: Catalogue, family: Indices) -> list[Photo]:
    columns, labels = catalogue.photos, catalogue.labels
    found: list[set[str]] = [set() for _ in family]
    of_photo, finding = catalogue.findings_of(family)
    codes = catalogue.findings["label"][finding].tolist()
    for at, code in zip(of_photo.tolist(), codes, strict=True):
        found[at].add(labels[code])
    said: dict[int, str | None] = {NOTHING_SAID: None, NO_LABEL: "", **dict(enumerate(labels))}
    return [
        Photo(sha256.decode(), phash, pixels, frozenset(under), said[code])
        for sha256, phash, pixels, under, code in zip(
            *(columns[name][family].tolist() for name in ("sha256", "phash", "pixels")),
            found,
            columns["said"][family].tolist(),
            strict=True,
        )
    ]


def _deal(catalogue: Catalogue, members: Indices, settings: CurateSettings, store: Store) -> int:
    """Give the groups of some photos their splits, and say how many keys have moved."""
    columns, n_labels = catalogue.photos, len(catalogue.labels)
    kept = np.flatnonzero(columns["status"] == KEPT)
    ours = np.zeros(len(catalogue), bool)
    ours[members] = True
    others = kept[~ours[kept]]
    settled = np.zeros((len(SPLITS), n_labels), np.int64)
    np.add.at(settled, (columns["split"][others], columns["label"][others]), 1)

    kept = kept[ours[kept]]
    roots, group = np.unique(columns["root"][kept], return_inverse=True)
    by_name = np.argsort(columns["sha256"][roots])
    roots, rank = roots[by_name], np.argsort(by_name)
    counts = np.zeros((len(roots), n_labels), np.int64)
    np.add.at(counts, (rank[group], columns["label"][kept]), 1)

    photos = members[np.isin(columns["root"][members], roots)]
    of_photo, finding = catalogue.findings_of(photos)
    source = catalogue.findings["source"][finding]
    owner = np.empty(len(catalogue), np.int64)
    owner[roots] = np.arange(len(roots))
    owners = owner[columns["root"][photos]]
    keys = np.concatenate([columns["key"][photos], source[source != 0]])
    owners = np.concatenate([owners, owners[of_photo[source != 0]]])
    keys, first = np.unique(keys, return_index=True)
    dealt = deal(
        store,
        catalogue.log,
        Groups(counts, keys, owners[first]),
        settings.splits,
        catalogue.labels,
        settled,
    )
    columns["split"][kept] = dealt.splits[rank[group]]
    return dealt.moved


def _counts(catalogue: Catalogue, labels: Sequence[str]) -> dict[str, dict[Split, int]]:
    """Kept images by label and split."""
    columns = catalogue.photos
    kept = columns["status"] == KEPT
    table = np.zeros((len(catalogue.labels) + 1, len(SPLITS)), np.int64)
    np.add.at(table, (columns["label"][kept], columns["split"][kept]), 1)
    code = {label: at for at, label in enumerate(catalogue.labels)}
    return {
        label: {
            split: int(table[code.get(label, len(code)), SPLITS.index(split)])
            for split in reversed(SPLITS)
        }
        for label in labels
    }


def _check_labels(catalogue: Catalogue, labels: Sequence[str]) -> None:
    """Raise CorallineError where a label has lost all of its images, or never had one."""
    columns, findings = catalogue.photos, catalogue.findings
    left = set(columns["label"][columns["status"] == KEPT].tolist())
    code = {label: at for at, label in enumerate(catalogue.labels)}
    for label in labels:
        if code.get(label) not in left:
            n = len(np.unique(findings["photo"][findings["label"] == code.get(label, -1)]))
            raise CorallineError(
                f"all {n} images of {label} were found under another label, too, or are none of it"
                if n
                else f"{label} has no images",
                where="curate",
                fix="Give each label queries that find it and nothing else.",
            )


def _warn(report: CurateReport, progress: Progress) -> None:
    if report.conflict_count:
        progress.warn(
            f"{report.conflict_count} photos were found under more than one label and are left out"
        )
    for label, by_split in report.counts.items():
        if not by_split["validation"]:
            progress.warn(f"{label} has too few groups of images for validation to have any")
