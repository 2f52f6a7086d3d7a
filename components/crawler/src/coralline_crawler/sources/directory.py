"""A folder of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def list_folder(path: Path, label: str) -> AsyncIterator[Candidate]:
    """The files of a label, by name.

    Args:
        path: A folder with one subfolder for each label, in which files may lie at any depth.
        label: Whose files.

    Raises:
        CorallineError: There is no such folder.
    """
    if not path.is_dir():
        raise CorallineError("there is no such folder", where=str(path))
    for file in sorted((path / label).rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            url = file.resolve().as_uri()
            yield Candidate(url=url, label=label, query="", source="directory", path=file)
