"""The project file that `coralline init` writes."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_core.settings import PROJECT_NAME

if TYPE_CHECKING:
    from pathlib import Path


def write_template(name: str, folder: Path) -> Path:
    """Write `NAME.yaml`, commented, into a folder.

    Returns:
        The file.

    Raises:
        CorallineError: The name is not one for a project, or the file is there already.
    """
    if not re.fullmatch(PROJECT_NAME, name):
        fix = "Use lower-case letters, digits and hyphens."
        raise CorallineError("not a name for a project", where=name, fix=fix)
    path = folder / f"{name}.yaml"
    text = files("coralline").joinpath("template.yaml").read_text().replace("NAME", name)
    try:
        with path.open("x") as file:
            file.write(text)
    except FileExistsError:
        fix = "Choose another name, or move it away."
        raise CorallineError("the file is there already", where=str(path), fix=fix) from None
    except OSError as error:
        raise CorallineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
