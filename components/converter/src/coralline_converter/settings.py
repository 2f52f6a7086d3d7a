"""The `convert` section of a project file."""

from __future__ import annotations

from coralline_core.settings import Settings
from pydantic import Field


class ConvertSettings(Settings):
    """How the classifier is quantised to int8, and how near to the original it must stay."""

    calibration_images: int = Field(default=200, ge=2)
    """Training crops that show the quantiser which values occur: as many of every label."""

    max_accuracy_drop: float = Field(default=0.01, ge=0, le=1)
    """Gate: how much less accurate int8 may be than float, on the test split. With few test crops
    one crop more is always allowed: less cannot be told from chance."""

    min_agreement: float = Field(default=0.95, ge=0, le=1)
    """Gate: the least share of test crops on which int8 and float say the same, of all and of each
    label. With few test crops of a label, one is always allowed to differ."""

    gallery: int = Field(default=24, ge=0, le=200)
    """Test crops of which the report shows what the model looked at: wrong ones first."""
