"""A model folder: what a model needs beside its weights, to be used as it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from coralline_core.errors import CorallineError
from coralline_core.reports import Report

if TYPE_CHECKING:
    from pathlib import Path

MODEL_JSON = "model.json"
LABELS = "labels.txt"
KERAS = "model.keras"
H5 = "model.h5"
SAVED_MODEL = "saved_model"
METRICS = "metrics.json"
HISTORY = "history.json"
PREDICTIONS = "predictions.parquet"
INT8 = "model_int8.tflite"
INT8_METRICS = "metrics_int8.json"
INT8_PREDICTIONS = "predictions_int8.parquet"
CHECKSUMS = "SHA256SUMS"
"""Of a version's files, as `sha256sum --check` reads them: it is complete once they are there."""

CHAMPION = "champion.json"
"""In a store: which version is in use."""


class ModelSpec(Report):
    """What `model.json` says: how to make an input of a photo, and what an output means."""

    labels: tuple[str, ...] = Field(min_length=2)
    """In the order of the outputs; the lines of labels.txt."""
    input_shape: tuple[int, int, int]
    """Height, width, channels; uint8 RGB, 0 to 255. The model rescales."""
    architecture: str
    crop: dict[str, Any]
    """The settings of the cropper that made the training crops."""
    dataset: str
    """The id of the manifest of crops that it was trained on."""

    def save(self, folder: Path) -> None:
        """Write model.json and labels.txt into a model folder."""
        self.write(folder / MODEL_JSON)
        (folder / LABELS).write_text("\n".join(self.labels) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder's model.json, and hold it against its labels.txt.

        Raises:
            CorallineError: A file is missing or wrong, or the two do not name the same labels.
        """
        for name in (MODEL_JSON, LABELS):
            if not (folder / name).is_file():
                fix = "Name the `model` folder of a run."
                raise CorallineError(f"{name} is missing", where=str(folder), fix=fix)
        spec = cls.read(folder / MODEL_JSON)
        text = (folder / LABELS).read_text(encoding="utf-8")
        labels = tuple(text.removesuffix("\n").split("\n"))
        if labels != spec.labels:
            raise CorallineError(
                f"labels.txt says {', '.join(labels)}; model.json says {', '.join(spec.labels)}",
                where=str(folder),
            )
        return spec
