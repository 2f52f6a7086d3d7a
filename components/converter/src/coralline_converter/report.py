"""What the converter says of its work."""

from __future__ import annotations

from coralline_core.metrics import Evaluation
from coralline_core.reports import Gate, Report


class ConvertReport(Report):
    """The int8 model against the float one."""

    float_test: Evaluation
    int8_test: Evaluation
    int8_validation: Evaluation
    agreement: float
    """Share of test crops on which both say the same label."""
    agreement_by_label: dict[str, float]
    """The same, by the true label."""
    largest_difference: float
    """Between two probabilities of one label, 0 to 1: for information, it says little."""
    calibration: dict[str, int]
    """Crops of each label that the quantiser saw."""
    bytes: int
    """Of the int8 model."""
    latency_ms: float
    """Median of one run on one core of this machine."""
    runtime: str
    """What ran the int8 model: kernels differ in the last bit."""
    gates: tuple[Gate, ...]
    seconds: float


class Explained(Report):
    """A crop, and where the model looked."""

    crop: str
    """As in predictions: source_sha256:crop_index."""
    label: str
    predicted: str
    """What the int8 model says."""
    probability: float
    correct: bool
    image: str
    """JPEG, base64."""
    overlay: str
    """The same under a heat map, JPEG, base64."""


class Gallery(Report):
    """gradcam.json: one file, as a cluster passes folders on one file at a time."""

    layer: str
    """The layer whose maps are shown."""
    explained: tuple[Explained, ...]
