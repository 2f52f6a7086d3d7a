"""The `curate` section of a project file."""

from typing import Literal, Self

from coralline_core.settings import Settings
from pydantic import Field, model_validator

Split = Literal["train", "validation", "test"]


class SplitShares(Settings):
    """Which share of each label's images goes where; together 1."""

    train: float = Field(default=0.7, gt=0, lt=1)
    """To learn from."""

    validation: float = Field(default=0.15, gt=0, lt=1)
    """To stop training in time, and to choose by."""

    test: float = Field(default=0.15, gt=0, lt=1)
    """To measure on, and for nothing else."""

    @model_validator(mode="after")
    def _shares_of_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test are {total:g} together, and must be 1")
        return self


class CurateSettings(Settings):
    """Which images are the same, and which of them are learnt from or measured on."""

    near_duplicate_distance: int = Field(default=6, ge=0, le=16)
    """In how many of their 64 bits the perceptual hashes of two images may differ for them to be
    the same photo, resized or saved anew; 0 finds equal hashes only. Different photos differ in 20
    bits and more, but for 1% of them."""

    splits: SplitShares = SplitShares()
    """The shares that new images are dealt out to. Images that have a split keep it."""
