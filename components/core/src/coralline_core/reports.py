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
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

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
            what = f"{key or 'not what was expected'}: {first['msg']}"
            raise CorallineError(what, where=str(path)) from error


class Gate(Report):
    """A bound of the project's, held against what came out.

    A step whose gate fails still ends well: its files and its report are what a person needs to
    see why. The publisher then keeps the model back, and the run's exit code says so.
    """

    key: str
    """The bound's key in the project file, such as `convert.min_agreement`."""
    passed: bool
    message: str
    """One sentence with the numbers and, where it failed, what to do."""
