"""Whether an int8 model says what the float model said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coralline_core.reports import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coralline_core.metrics import Evaluation

    from coralline_converter.settings import ConvertSettings

    Predictions = Mapping[str, Mapping[str, Any]]


def agreement(floats: Predictions, int8s: Predictions, label: str | None = None) -> float:
    """The share of test crops, of one label or of all, on which both say the same.

    Raises:
        ValueError: There are no such crops.
    """
    same = [bool(a["predicted"] == b["predicted"]) for a, b in _pairs(floats, int8s, label)]
    if not same:
        raise ValueError("no test crops to compare")
    return sum(same) / len(same)


def largest_difference(floats: Predictions, int8s: Predictions) -> float:
    """The largest difference between two probabilities of one label on a test crop."""
    return max(
        abs(float(p) - float(q))
        for a, b in _pairs(floats, int8s)
        for p, q in zip(a["probabilities"], b["probabilities"], strict=True)
    )


def gates(
    settings: ConvertSettings,
    floats: Evaluation,
    int8s: Evaluation,
    agreement: float,
    by_label: Mapping[str, float],
) -> tuple[Gate, ...]:
    """Hold the bounds of the `convert` section against what was measured on the test split.

    The models must agree on every label's crops, not only on all: a rare label could be lost
    without the whole showing it.
    """
    drop = floats.accuracy - int8s.accuracy
    # A bound below one crop would fail on the first that lies on the border.
    allowed = max(settings.max_accuracy_drop, 1 / int8s.n)
    dropped = Gate(
        key="convert.max_accuracy_drop",
        passed=drop <= allowed + 1e-9,
        message=f"int8 is {int8s.accuracy:.1%} accurate, float {floats.accuracy:.1%} "
        f"(allowed drop: {allowed:.1%} of {int8s.n} test crops)",
    )
    apart = {
        label: share
        for label, share in by_label.items()
        # As above: with few crops of a label, one is always allowed.
        if share < min(settings.min_agreement, 1 - 1 / int8s.classes[label].n) - 1e-9
    }
    of_labels = "".join(f", on {share:.1%} of {label!r}" for label, share in apart.items())
    agreed = Gate(
        key="convert.min_agreement",
        passed=agreement >= settings.min_agreement and not apart,
        message=f"int8 and float agree on {agreement:.1%} of {int8s.n} test crops{of_labels} "
        f"(wanted: {settings.min_agreement:.1%})",
    )
    fix = "; try more `convert.calibration_images`, or more epochs of the whole network"
    return tuple(
        gate if gate.passed else gate.model_copy(update={"message": gate.message + fix})
        for gate in (dropped, agreed)
    )


def _pairs(
    floats: Predictions, int8s: Predictions, label: str | None = None
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for crop, row in int8s.items():
        if row["split"] == "test" and label in (None, row["label"]):
            yield floats[crop], row
