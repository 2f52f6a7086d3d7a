"""What steps write down: JSON files that are models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path


class Report(BaseModel):
    """What a step says of its work: JSON, read by the next step, the report page and machines."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def write(self, path: Path) -> None:
        """Write it to a file, whose folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            CorallineError: There is no such file, or it says something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CorallineError(error.strerror or str(error), where=str(path)) from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            what = f"not a {cls.__name__}: {key}: {first['msg']}"
            raise CorallineError(what, where=str(path)) from error
