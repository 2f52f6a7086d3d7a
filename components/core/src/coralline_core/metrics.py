"""How good a classifier is, on rows that it did not learn from."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from coralline_core.reports import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CALIBRATION_BINS = 15


class ClassMetrics(Report):
    """Of one label; a ratio without a denominator is 0."""

    precision: float
    recall: float
    f1: float
    n: int
    """Rows that truly have the label."""


class Evaluation(Report):
    """A classifier's measures on one split."""

    n: int
    accuracy: float
    interval: tuple[float, float]
    """Wilson's 95% interval of the accuracy."""
    balanced_accuracy: float
    """The mean recall of the labels that occur."""
    calibration_error: float
    """Expected calibration error over 15 equal bins (Guo et al., ICML 2017)."""
    classes: dict[str, ClassMetrics]
    confusion: list[list[int]]
    """Rows: the true label; columns: the predicted; both in the order of `classes`."""


def evaluate(
    labels: Sequence[str], true: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> Evaluation:
    """Measure predictions against the truth.

    Args:
        labels: The labels' names, in the order of the probabilities.
        true: Shape (n,), the index of each row's label.
        probabilities: Shape (n, len(labels)), each row summing to about 1.

    Raises:
        ValueError: There are no rows.

    >>> evaluate(["a", "b"], np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])).accuracy
    0.5
    """
    if not len(true):
        raise ValueError("no rows to evaluate")
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (true, predicted), 1)
    hits, actual, claimed = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits / np.maximum(actual, 1)
    precision = hits / np.maximum(claimed, 1)
    f1 = 2 * hits / np.maximum(actual + claimed, 1)
    correct = int(hits.sum())
    return Evaluation(
        n=len(true),
        accuracy=correct / len(true),
        interval=wilson_interval(correct, len(true)),
        balanced_accuracy=float(recall[actual > 0].mean()),
        calibration_error=calibration_error(true, probabilities),
        classes={
            label: ClassMetrics(precision=precision[i], recall=recall[i], f1=f1[i], n=actual[i])
            for i, label in enumerate(labels)
        },
        confusion=confusion.tolist(),
    )


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson, JASA 1927), within [0, 1].

    >>> low, high = wilson_interval(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = correct / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At either end the bound is exact, and the arithmetic is not.
    return middle - half if correct else 0.0, middle + half if correct < n else 1.0


def calibration_error(true: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
    """How far confidence and accuracy lie apart, weighted over equal bins of confidence."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    bins = np.clip((confidence * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    gaps = np.zeros(CALIBRATION_BINS)
    np.add.at(gaps, bins, correct - confidence)
    return float(np.abs(gaps).sum() / len(true))
