"""What the page must know of a project."""

from coralline_core.settings import PROJECT_NAME, Settings
from pydantic import Field


class ReviewSettings(Settings):
    """What the reviewer is given: the project's name and its labels."""

    name: str = Field(default="crops", pattern=PROJECT_NAME)
    """The project's name: the page's title."""

    labels: tuple[str, ...] = Field(min_length=2)
    """What a crop may show, in the order of the keys 1 to 9."""
