"""What the curator says of its work."""

from coralline_core.reports import Report

from coralline_curator.settings import Split


class Picture(Report):
    """An image, as a person looks it up."""

    sha256: str
    labels: tuple[str, ...]
    image_url: str
    page_url: str


class NearDuplicate(Report):
    """A rejected photo, and the one that is kept in its place."""

    rejected: Picture
    kept: Picture
    distance: int
    """In how many of 64 bits their perceptual hashes differ."""


class CurateReport(Report):
    """What became of the crawled images."""

    found: int
    """Images by label and address: `kept` and all of `rejected`."""
    kept: int
    rejected: dict[str, int]
    """By reason: `duplicate` (the same bytes under another address), `near-duplicate` (the same
    photo, resized or saved anew), `two-labels` (the same photo under different labels),
    `corrected` (people said that it shows another label, or none)."""
    near_duplicates: list[NearDuplicate]
    """The first 50 of them, those that differ most before the others."""
    conflicts: list[list[Picture]]
    """The first 50 photos with two labels, each with all of its images."""
    conflict_count: int
    """All photos with two labels."""
    groups: int
    """Groups of kept images that stay in one split."""
    largest_group: int
    """Kept images in the largest of them."""
    moved: int
    """Keys of groups that left their split, since they grew together with one that is in test or
    validation."""
    counts: dict[str, dict[Split, int]]
    """Kept images by label and split."""
    shares: dict[str, dict[Split, float]]
    """The same as shares of the label, 0 to 1."""
    seconds: float
