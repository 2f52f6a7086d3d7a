"""The crawled rows as photos: each once, wherever and however often it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coralline_curator.report import Picture

if TYPE_CHECKING:
    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

_COLUMNS = ("sha256", "phash", "width", "height", "label", "image_url", "page_url", "group")


@dataclass(frozen=True, slots=True)
class Photo:
    """The same bytes, wherever they were found."""

    sha256: str
    phash: int
    """A perceptual hash of 64 bits."""
    pixels: int
    findings: dict[tuple[str, str], str] = field(default_factory=dict)
    """The page's URL, by label and the image's URL: each once, however often it was crawled."""
    sources: set[str] = field(default_factory=set)
    """What the sources call the groups that it is in, or else the pages that it is on."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it was found under, in order; more than one is a contradiction."""
        return tuple(sorted({label for label, _ in self.findings}))

    @property
    def picture(self) -> Picture:
        """How the report names it: by the first of its addresses."""
        image_url, page_url = min((image, page) for (_, image), page in self.findings.items())
        return Picture(
            sha256=self.sha256, labels=self.labels, image_url=image_url, page_url=page_url
        )


def read_photos(images: Dataset, store: Store) -> list[Photo]:
    """The photos of the dataset's labels, in the order of their sha256.

    Only metadata is read. What comes out depends neither on the order of crawls nor on how often
    they found the same.
    """
    table = images.table(store, _COLUMNS)
    photos: dict[str, Photo] = {}
    columns = (table[name].to_pylist() for name in _COLUMNS)
    for sha256, phash, width, height, label, image_url, page_url, group in zip(
        *columns, strict=True
    ):
        if label not in images.counts:
            continue
        photo = photos.setdefault(sha256, Photo(sha256, phash, width * height))
        finding, page = (label, image_url or ""), page_url or ""
        photo.findings[finding] = min(page, photo.findings.get(finding, page))
        if group or page_url:
            photo.sources.add(group or page_url)
    # A duplicate was not kept, but the page that it was on belongs together with the photo, too.
    for row in images.selected(store).to_pylist():
        if row["group"] and row["sha256"] in photos:
            photos[row["sha256"]].sources.add(row["group"])
    return [photos[sha256] for sha256 in sorted(photos)]
