"""Images to a clean, grouped and split dataset, from their metadata alone."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from coralline_core.dataset import Dataset, write_selection
from coralline_core.errors import CorallineError

from coralline_curator.groups import components
from coralline_curator.photos import read_photos
from coralline_curator.report import CurateReport, NearDuplicate
from coralline_curator.sameness import compare
from coralline_curator.splits import SPLITS, Group, deal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_curator.photos import Photo
    from coralline_curator.sameness import Sameness
    from coralline_curator.settings import CurateSettings

_EXAMPLES = 50


def curate(
    settings: CurateSettings, images: Dataset, store: Store, progress: Progress
) -> tuple[Dataset, CurateReport]:
    """Keep one of each photo, none of those under two labels, and deal the rest to splits.

    Args:
        settings: The project file's `curate` section.
        images: A dataset of kind `images`. Rows of labels that its `counts` lack are left out.
        store: Where its shards are; a selection, and under `splits/` what is dealt, go there.
        progress: Hears of labels that end up without images for validation.

    Returns:
        The curated dataset, over the same shards, and what became of the images. The same images
        and settings give the same dataset again, in whatever order they were crawled.

    Raises:
        CorallineError: A label has nothing left, or too few groups for train and test.
    """
    started = time.monotonic()
    photos = read_photos(images, store)
    progress.update(0, len(photos), "images")
    same = compare(photos, settings.near_duplicate_distance)
    _check_labels(images, photos, same)
    group_of, groups = _group(photos, same)
    splits, moved = deal(store, groups, settings.splits)
    selected = [
        {
            "sha256": photos[index].sha256,
            "label": photos[index].labels[0],
            "group": group_of[index],
            "split": splits[group_of[index]],
        }
        for index in same.kept
    ]
    counts = {label: dict.fromkeys(SPLITS, 0) for label in images.labels}
    for row in selected:
        counts[row["label"]][splits[row["group"]]] += 1
    dataset = Dataset(
        kind="curated",
        shards=images.shards,
        selection=write_selection(store, selected),
        counts={label: {s: n for s, n in by.items() if n} for label, by in counts.items()},
        parents=(images.id,),
        settings=settings.model_dump(mode="json"),
    )
    report = CurateReport(
        **_became(photos, same),
        groups=len(groups),
        largest_group=max(sum(group.counts.values()) for group in groups),
        moved=moved,
        counts=counts,
        shares={
            label: {split: n / sum(by.values()) for split, n in by.items()}
            for label, by in counts.items()
        },
        seconds=time.monotonic() - started,
    )
    _warn(report, progress)
    progress.update(len(photos), len(photos), "images", f"{report.kept} kept")
    return dataset, report


def _group(photos: Sequence[Photo], same: Sameness) -> tuple[dict[int, str], list[Group]]:
    """The group of each kept photo, and the groups that have any.

    Photos are in one group where they are the same, or of one source's group, be it over others
    that are not kept. A group is named by the least sha256 of its photos.
    """
    first_of: dict[str, int] = {}
    links = list(same.links)
    for index, photo in enumerate(photos):
        links += [(first_of.setdefault(source, index), index) for source in photo.sources]
    roots = components(len(photos), links)
    kept = {index: photos[roots[index]].sha256 for index in same.kept}
    keys: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for index, group in kept.items():
        counts[group][photos[index].labels[0]] += 1
    for photo, root in zip(photos, roots, strict=True):
        keys[photos[root].sha256].add(f"image:{photo.sha256}")
        keys[photos[root].sha256].update(f"source:{source}" for source in photo.sources)
    return kept, [Group(group, frozenset(keys[group]), counts[group]) for group in sorted(counts)]


def _became(photos: Sequence[Photo], same: Sameness) -> dict[str, Any]:
    """The report's part on what was kept and what was not."""
    found = sum(len(photo.findings) for photo in photos)
    under_labels = sum(len(photo.labels) for photo in photos)
    conflicts = [[photos[index] for index in these] for these in same.conflicts]
    pairs = [(photos[index], photos[kept]) for index, kept in same.replaced.items()]
    examples = [
        NearDuplicate(
            rejected=photo.picture,
            kept=kept.picture,
            distance=(photo.phash ^ kept.phash).bit_count(),
        )
        for photo, kept in pairs
    ]
    examples.sort(key=lambda example: (-example.distance, example.rejected.sha256))
    return {
        "found": found,
        "kept": len(same.kept),
        "rejected": {
            "duplicate": found - under_labels,
            "near-duplicate": len(same.replaced),
            "two-labels": sum(len(photo.labels) for these in conflicts for photo in these),
        },
        "near_duplicates": examples[:_EXAMPLES],
        "conflicts": [[photo.picture for photo in these] for these in conflicts[:_EXAMPLES]],
        "conflict_count": len(conflicts),
    }


def _check_labels(images: Dataset, photos: Sequence[Photo], same: Sameness) -> None:
    """Raise CorallineError where a label has lost all of its images, or never had one."""
    left = {photos[index].labels[0] for index in same.kept}
    for label in images.labels:
        if label not in left:
            n = sum(label in photo.labels for photo in photos)
            raise CorallineError(
                f"all {n} images of {label} were found under another label, too"
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
