"""A folder of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def list_folder(path: Path, label: str, licence: str | None = None) -> Iterator[Candidate]:
    """The files of a label, by name.

    Args:
        path: A folder with one subfolder for each label, in which files may lie at any depth.
            Files of one folder within the label's are a group.
        label: Whose files.
        licence: Of all of them, if it is known.

    Raises:
        CorallineError: There is no such folder.
    """
    if not path.is_dir():
        raise CorallineError("there is no such folder", where=str(path))
    for file in sorted((path / label).rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            stat = file.stat()
            inside = file.relative_to(path / label).parts[:-1]
            yield Candidate(
                url=file.resolve().as_uri(),
                label=label,
                query="",
                source="directory",
                licence=licence,
                # A folder within the label's is a person, a place, a film: it stays together.
                group=inside[0] if inside else None,
                path=file,
                version=f"{stat.st_mtime_ns}-{stat.st_size}",
            )
