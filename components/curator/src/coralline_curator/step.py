"""The step `curate`: images to a clean, grouped and split dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_curator.settings import CurateSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: CurateSettings,
    store: Store,
    progress: Progress,
    *,
    images: Path,
    curated: Path,
    report: Path,
) -> None:
    r"""Keep one of each photo, drop those under two labels, and split what is left by groups.

    Reads the manifest IMAGES, and of its shards the metadata only. Writes the manifest CURATED,
    over the same shards, and REPORT (JSON). Groups that are new are recorded in the store, under
    splits/, and keep their split for ever.

    Example:
        python -m coralline_curator --settings curate.yaml --store ./store \
            --images images.json --curated curated.json --report report.json
    """
    from coralline_core.dataset import Dataset

    from coralline_curator.curate import curate

    dataset, result = curate(settings, Dataset.read(images), store, progress)
    dataset.save(store)
    dataset.write(curated)
    result.write(report)


execute = Step("curate", CurateSettings, _work)
