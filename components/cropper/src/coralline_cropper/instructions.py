"""What people drew in photos, and what they said of single crops."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, Self

from coralline_core.corrections import corrected_crops, meant

from coralline_cropper.box_file import boxes_by_photo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coralline_core.corrections import Box
    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

    from coralline_cropper.box_file import DrawnBox
    from coralline_cropper.cut import Region
    from coralline_cropper.settings import CropSettings


class Instructions(NamedTuple):
    """What a photo's crops depend on beside the photo and the settings, by the photo's sha256."""

    drawn: Mapping[str, Sequence[DrawnBox]]
    """The lines of the box file; empty where there is none."""
    said: Mapping[str, Mapping[Box, str | None]]
    """What is in crops, by their boxes in the photo; None: they are to be left out."""

    @classmethod
    def read(cls, settings: CropSettings, images: Dataset, store: Store) -> Self:
        """What there is now.

        Raises:
            CorallineError: The box file or a correction is wrong.
        """
        drawn: Mapping[str, Sequence[DrawnBox]] = {}
        if settings.boxes is not None:
            photos = images.table(store, ["sha256", "image_url"]).to_pylist()
            drawn = boxes_by_photo(settings.boxes, photos, images.labels)
        ours = frozenset(images.labels)
        said = {
            photo: {box: label if label in ours else None for box, label in boxes.items()}
            for photo, boxes in corrected_crops(store).items()
        }
        return cls(drawn, said)

    def digests(self) -> dict[str, dict[str, str]]:
        """By what it is of, `drawn` or `said`, and by photo: a hash that tells it from another."""
        drawn = {
            photo: _digest(sorted((line.box, line.label or "") for line in lines))
            for photo, lines in self.drawn.items()
        }
        said = {photo: _digest(list(boxes.items())) for photo, boxes in self.said.items()}
        return {"drawn": drawn, "said": said}

    def heed(self, photo: str, regions: Sequence[Region]) -> list[Region | None]:
        """Regions with the labels that people gave them; None in place of one to be left out.

        What was said of a box is about the region that it overlaps most.
        """
        heeded: list[Region | None] = list(regions)
        boxes = [region.box for region in regions]
        for box, label in self.said.get(photo, {}).items():
            if (at := meant(box, boxes)) is not None:
                heeded[at] = None if label is None else regions[at]._replace(label=label)
        return heeded


def _digest(content: object) -> str:
    return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()
