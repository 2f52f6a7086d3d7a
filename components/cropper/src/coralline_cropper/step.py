"""The cropper as a step of the pipeline and as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_cropper.settings import CropSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: CropSettings,
    store: Store,
    progress: Progress,
    *,
    curated: Path,
    crops: Path,
    report: Path,
) -> None:
    r"""Cut what is to be classified out of curated photos: faces, drawn boxes, or the whole.

    Reads the manifest `--curated`; writes the manifest `--crops` and the report `--report`.

    Example:
        python -m coralline_cropper --settings crop.yaml --store ./store \
            --curated curated.json --crops crops.json --report report.json
    """
    from coralline_core.dataset import Dataset

    from coralline_cropper.crop import crop

    dataset, result = crop(settings, Dataset.read(curated), store, progress)
    dataset.save(store)
    dataset.write(crops)
    result.write(report)


execute = Step("crop", CropSettings, _work)
