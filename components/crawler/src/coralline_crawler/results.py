"""What comes of candidates."""

from __future__ import annotations

from typing import NamedTuple

from coralline_crawler.candidate import Candidate, Held
from coralline_crawler.fetch import Image
from coralline_crawler.rejects import Reason


class Result(NamedTuple):
    """A candidate, and its image, or None for the one that we have, or why there is none."""

    candidate: Candidate
    outcome: Image | Reason | None

    @property
    def size(self) -> int:
        """Bytes of the image."""
        return len(self.outcome.data) if isinstance(self.outcome, Image) else 0


def held_of(image: Image) -> Held:
    """What a visit says of an image that came."""
    picture = image.picture
    return Held(
        image.sha256,
        picture.phash,
        picture.width,
        picture.height,
        picture.sharpness,
        image.etag,
        image.last_modified,
    )


def row_of(candidate: Candidate, image: Image) -> dict[str, object]:
    """A row of `rows.IMAGES`."""
    picture = image.picture
    return {
        "image": {"bytes": image.data, "path": f"{image.sha256}.{picture.suffix}"},
        "sha256": image.sha256,
        "phash": picture.phash,
        "width": picture.width,
        "height": picture.height,
        "label": candidate.label,
        "query": candidate.query,
        "source": candidate.source,
        "page_url": candidate.page_url,
        "image_url": candidate.url,
        "creator": candidate.creator,
        "licence": candidate.licence,
        "fetched_at": image.fetched_at,
        "group": candidate.together,
    }
