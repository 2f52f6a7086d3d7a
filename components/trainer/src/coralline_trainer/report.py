"""What the trainer says of its work."""

from __future__ import annotations

from coralline_core.metrics import Evaluation
from coralline_core.reports import Report


class TrainReport(Report):
    """What was trained, how long, and how good it is."""

    architecture: str
    parameters: int
    counts: dict[str, dict[str, int]]
    """Crops by label, then by split."""
    class_weights: dict[str, float]
    """What a crop of each label counts."""
    epochs: dict[str, int]
    """Epochs that ran, by phase: `head`, `all`."""
    best: str
    """Where the kept weights come from, such as `all 7`."""
    stopped_early: bool
    validation: Evaluation
    test: Evaluation
    bytes: int
    """Of model.keras."""
    seconds: float
