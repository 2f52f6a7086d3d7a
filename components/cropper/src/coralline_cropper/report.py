"""What the cropper says of its work."""

from coralline_core.reports import Report


class CropReport(Report):
    """Counts, and small pictures to look at.

    The reasons for which there is no crop: `no-face` (`no-box` with `mode: boxes`) and
    `undecodable` count photos; `too-small` counts faces, boxes or whole pictures, and so does
    `corrected`: people said that they show none of the labels.
    """

    photos: int
    crops: int
    counts: dict[str, dict[str, int]]
    """Crops by label, then by split."""
    rejected: dict[str, int]
    """By reason."""
    rejected_by_label: dict[str, dict[str, int]]
    """By the photo's label, then by reason."""
    crops_per_photo: dict[int, int]
    """How many photos gave so many crops, from 0."""
    samples: dict[str, list[str]]
    """By label, the first crops of the training split: JPEG of at most 96 px, in base64."""
    without_crops: list[str]
    """The first photos that decode and gave no crop, likewise."""
    seconds: float
