"""What every section of a project file is made of."""

from pydantic import BaseModel, ConfigDict

PROJECT_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
"""The pattern of a project's name."""


class Settings(BaseModel):
    """A section of the project file: frozen, and an unknown key is an error.

    Each step has its own in `settings.py`, which imports nothing heavy: the command line, the
    JSON schema and the reference in the docs are made from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
