"""The converter as a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_converter.settings import ConvertSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: ConvertSettings,
    store: Store,
    progress: Progress,
    *,
    crops: Path,
    model: Path,
    converted: Path,
    report: Path,
) -> None:
    """Quantise a classifier to int8 LiteRT, measure it on the test split, and explain it.

    Reads the manifest CROPS and the folder MODEL; writes the folder CONVERTED and the JSON file
    REPORT.

    Example:
        python -m coralline_converter --settings convert.yaml --store ./store --crops crops.json
            --model model --converted converted --report report.json
    """
    from coralline_core.dataset import Dataset

    from coralline_converter.convert import convert

    convert(settings, Dataset.read(crops), model, store, converted, progress).write(report)


execute = Step("convert", ConvertSettings, _work)
