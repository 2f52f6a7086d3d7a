"""Counting what became of the photos."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from coralline_cropper.decode import decode_image, encode_thumbnail
from coralline_cropper.report import CropReport

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset

_SAMPLES = 12  # crops a label
_WITHOUT_CROPS = 6  # photos


class Outcome(NamedTuple):
    """What became of one photo."""

    photo: dict[str, Any]
    """Its row."""
    crops: list[dict[str, Any]]
    """Rows of CROPS."""
    rejected: Counter[str]
    """By reason."""
    clipped: int = 0
    """Drawn boxes that reach over the photo's borders."""


class Tally:
    """Adds up outcomes, and keeps the first pictures of them."""

    def __init__(self) -> None:
        self.clipped = 0
        """Drawn boxes that reach over their photo's borders."""
        self._crops_per_photo: Counter[int] = Counter()
        self._rejected: dict[str, Counter[str]] = {}
        self._samples: dict[str, list[str]] = {}
        self._without_crops: list[str] = []

    def add(self, outcome: Outcome) -> None:
        """Count a photo."""
        self.clipped += outcome.clipped
        self._crops_per_photo[len(outcome.crops)] += 1
        self._rejected.setdefault(outcome.photo["label"], Counter()).update(outcome.rejected)
        for crop in outcome.crops:
            samples = self._samples.setdefault(crop["label"], [])
            if crop["split"] == "train" and len(samples) < _SAMPLES:
                samples.extend(_thumbnail(crop))
        if not outcome.crops and len(self._without_crops) < _WITHOUT_CROPS:
            self._without_crops.extend(_thumbnail(outcome.photo))

    def report(self, crops: Dataset, seconds: float) -> CropReport:
        """What there is to say, the crops having become `crops` in so many seconds."""
        return CropReport(
            photos=self._crops_per_photo.total(),
            crops=len(crops),
            counts=crops.counts,
            rejected=_sorted(sum(self._rejected.values(), Counter())),
            rejected_by_label={label: _sorted(n) for label, n in sorted(self._rejected.items())},
            crops_per_photo=dict(sorted(self._crops_per_photo.items())),
            samples=dict(sorted(self._samples.items())),
            without_crops=self._without_crops,
            seconds=seconds,
        )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(counts.items()) if count}


def _thumbnail(row: dict[str, Any]) -> list[str]:
    """One, or none where the picture does not decode."""
    pixels = decode_image(row["image"]["bytes"])
    return [] if pixels is None else [base64.b64encode(encode_thumbnail(pixels)).decode()]
