"""Images in folders: by label, or by split and label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

from coralline.imports.pictures import (
    SPLITS,
    Picture,
    check_label,
    given,
    numbered,
    of_file,
    open_csv,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coralline_curator.settings import Split

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif"))
"""Of files that a person takes for pictures; the crawler looks into every file."""

_METADATA = "metadata.csv"


class Folder:
    """The images below a folder; see `source.pictures_of`.

    Args:
        root: The folder.
        labels: The project's.

    Raises:
        CorallineError: It is laid out in another way.
    """

    def __init__(self, root: Path, labels: Sequence[str]) -> None:
        folders = _folders(root)
        splits = [one for one in folders if one.name.lower() in SPLITS and one.name not in labels]
        if splits and len(splits) < len(folders):
            other = next(one for one in folders if one not in splits)
            raise CorallineError(
                f"{splits[0].name!r} is a split, and beside it is {other.name!r}, which is none",
                where=str(root),
                fix="Have either a folder for each label, or one for each split with those in it.",
            )
        self._parts: dict[Path, Split | None] = {one: SPLITS[one.name.lower()] for one in splits}
        self._parts = self._parts or {root: None}
        self._told: dict[Path, dict[str, str]] = {}
        for folder in (root, *splits):
            _refuse_pictures(folder)
            self._told |= _metadata(folder / _METADATA)
        for part in self._parts:
            for folder in _folders(part):
                check_label(folder.name, labels, str(folder))

    def __iter__(self) -> Iterator[Picture]:
        for part, split in self._parts.items():
            for folder in _folders(part):
                for file in _files(folder):
                    inside = file.relative_to(folder).parts[:-1]
                    told = {"group": inside[0]} if inside else {}
                    told |= self._told.get(file, {})
                    yield Picture(of_file(file, folder.name, told), split)


def _folders(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    """The files at any depth, by name."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink():
                _check_link(path)
            if path.is_file() and not name.startswith("."):
                found.append(path)
    return sorted(found)


def _check_link(path: Path) -> None:
    """Raise CorallineError where a link has no end."""
    if not path.exists():
        raise CorallineError("the link leads nowhere", where=str(path))
    if path.resolve() in map(Path.resolve, path.absolute().parents):
        raise CorallineError("the link leads to a folder that it is in", where=str(path))


def _refuse(error: OSError) -> None:
    raise CorallineError(error.strerror or str(error), where=error.filename) from error


def _refuse_pictures(folder: Path) -> None:
    """Pictures that have no label must not be passed over without a word."""
    beside = sorted(one.name for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
    beside = [name for name in beside if not name.startswith(".")]
    if beside:
        raise CorallineError(
            f"pictures lie beside the labels' folders: {len(beside)}, such as {beside[0]}",
            where=str(folder),
            fix="Put each into the folder of its label, or elsewhere.",
        )


def _metadata(path: Path) -> Mapping[Path, dict[str, str]]:
    """By the file, what a `metadata.csv` says of it."""
    if not path.is_file():
        return {}
    with open_csv(path) as lines:
        if "file_name" not in (lines.fieldnames or ()):
            raise CorallineError(
                f"the header is {','.join(lines.fieldnames or ()) or 'empty'}",
                where=f"{path}, line 1",
                fix="Name each image in `file_name`, as in cat/1.jpg, or move the file away.",
            )
        told = {
            path.parent / line["file_name"]: given(line)
            for _, line in numbered(path, lines)
            if line["file_name"]
        }
    if told and not any(map(Path.is_file, told)):
        raise CorallineError(
            f"no line names a file that is there; the first one names {next(iter(told))}",
            where=str(path),
            fix="Write names as they are seen from here, such as cat/1.jpg.",
        )
    return told
