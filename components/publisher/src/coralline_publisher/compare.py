"""Two classifiers on the same test crops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coralline_publisher.report import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from coralline_publisher.settings import PublishOptions

    Rows = Iterable[Mapping[str, str]]

_DRAWS = 1 << 22  # row indices that are drawn at once: 32 MB


def compare(challenger: Rows, champion: Rows, options: PublishOptions) -> Comparison | None:
    """Compare predictions on the challenger's test crops that the champion predicted too.

    The truth is the challenger's label, since people may have corrected it after the champion.

    Args:
        challenger: Rows with `crop`, `split`, `label` and `predicted`, as in `rows.PREDICTIONS`.
        champion: The same; only `crop` and `predicted` are used.
        options: Of the bootstrap.

    Returns:
        The comparison, or None where no test crop is in both.
    """
    said = {row["crop"]: row["predicted"] for row in champion}
    # In order, so that the same predictions draw the same resamples.
    shared = sorted(
        (row["crop"], row["label"], row["predicted"])
        for row in challenger
        if row["split"] == "test" and row["crop"] in said
    )
    if not shared:
        return None
    ours = np.array([predicted == label for _, label, predicted in shared])
    theirs = np.array([said[crop] == label for crop, label, _ in shared])
    differences = ours.astype(np.int8) - theirs
    return Comparison(
        n=len(shared),
        challenger=float(ours.mean()),
        champion=float(theirs.mean()),
        gained=int((differences > 0).sum()),
        lost=int((differences < 0).sum()),
        difference=float(differences.mean()),
        interval=bootstrap_interval(
            differences, options.confidence, options.resamples, options.seed
        ),
        confidence=options.confidence,
    )


def bootstrap_interval(
    differences: NDArray[np.integer], confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """The percentile interval of a mean paired difference (Efron & Tibshirani 1993, chapter 13).

    Rows are drawn with replacement, each with both classifiers' results, so that what is hard for
    both cancels out.

    Args:
        differences: Shape (n,), n > 0: 1 where only the challenger is right, -1 where only the
            champion is, else 0.
        confidence: Of the two-sided interval, 0 to 1.
        resamples: How often n rows are drawn.
        seed: Of the generator.

    Returns:
        Lower and upper bound, -1 to 1.

    >>> bootstrap_interval(np.zeros(60, int), 0.95, 1000, seed=1)
    (0.0, 0.0)
    """
    generator = np.random.default_rng(seed)
    n = len(differences)
    at_once = max(1, _DRAWS // n)
    means = np.concatenate(
        [
            differences[generator.integers(n, size=(min(at_once, resamples - done), n))].mean(
                axis=1
            )
            for done in range(0, resamples, at_once)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
