"""The trainer as a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_trainer.settings import TrainSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: TrainSettings,
    store: Store,
    progress: Progress,
    *,
    crops: Path,
    model: Path,
    report: Path,
) -> None:
    """Train a classifier on a dataset of crops.

    Reads the manifest CROPS; writes the folder MODEL and the JSON file REPORT.

    Example:
        python -m coralline_trainer --settings train.yaml --store ./store --crops crops.json
            --model model --report report.json
    """
    from coralline_core.dataset import Dataset

    from coralline_trainer.train import train

    train(settings, Dataset.read(crops), store, model, progress).write(report)


execute = Step("train", TrainSettings, _work)
