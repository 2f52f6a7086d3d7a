"""The `publish` section of a project file."""

from coralline_core.settings import PROJECT_NAME, Settings
from pydantic import Field


class PublishOptions(Settings):
    """When a model takes the champion's place: the section as a user writes it."""

    min_accuracy: float = Field(default=0.8, ge=0, le=1)
    """Floor of the int8 model's accuracy on the test split. No model below it is published."""

    tolerance: float = Field(default=0.01, ge=0, le=0.5)
    """How much accuracy a new champion may lose on the test crops that it shares with the last.
    Losses of one champion after another add up, and are held against it together."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the interval of the difference in accuracy. A challenger whose whole interval is below 0
    is worse, however little."""

    resamples: int = Field(default=10_000, ge=100, le=1_000_000)
    """Of the bootstrap that gives the interval."""

    seed: int = Field(default=1, ge=0)
    """Of the bootstrap: the same predictions give the same interval."""


class PublishSettings(PublishOptions):
    """What the step is given: the options, and the project's name."""

    name: str = Field(default="model", pattern=PROJECT_NAME)
    """The project's name, for the model card and the report."""
