"""The `crop` section of a project file."""

from pathlib import Path
from typing import Literal, Self

from coralline_core.settings import Settings
from pydantic import Field, ValidationInfo, field_validator, model_validator


class CropOptions(Settings):
    """What is cut out of each photo, to be classified: the section as a user writes it."""

    mode: Literal["face", "whole", "boxes"] = "face"
    """`face`: every face that YuNet finds; `whole`: the whole picture, squeezed to a square;
    `boxes`: the boxes of a CSV file."""

    margin: float = Field(default=0.2, ge=0, le=2)
    """Added on each side of a face or box, as a share of its longer side."""

    min_size: int = Field(default=32, ge=1)
    """Least shorter side of what is cut out, its margin included, in px of the photo. What is
    smaller is dropped and counted."""

    score_threshold: float = Field(default=0.8, gt=0, lt=1)
    """`face`: least score of the detector. At 0.8 it finds 98% of faces with hardly a false one."""

    detector_size: int = Field(default=320, ge=64, le=2048)
    """`face`: the photo's longest side as the detector sees it, in px. More finds smaller faces,
    and takes longer."""

    boxes: Path | None = None
    """`boxes`: a CSV file with the header `image,x1,y1,x2,y2` or `image,x1,y1,x2,y2,label`,
    in px; a relative path is relative to the project file."""

    @field_validator("boxes")
    @classmethod
    def _boxes_lie_beside_the_project_file(
        cls, boxes: Path | None, info: ValidationInfo
    ) -> Path | None:
        if boxes is None or not info.context:
            return boxes
        path = Path(info.context["folder"], boxes)
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @model_validator(mode="after")
    def _boxes_come_with_their_mode(self) -> Self:
        if self.mode == "boxes" and self.boxes is None:
            raise ValueError("`mode: boxes` needs `boxes:`, a CSV file")
        if self.mode != "boxes" and self.boxes is not None:
            raise ValueError("`boxes:` is read with `mode: boxes` only; set that, or leave it out")
        return self


class CropSettings(CropOptions):
    """What the step is given: the options, and the size that the model takes."""

    size: int = Field(default=96, ge=16, le=1024)
    """Side of a crop as it is stored, in px: the model's input size."""
