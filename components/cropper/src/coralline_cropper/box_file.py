"""Boxes that people drew: a CSV file, matched to the photos of a dataset."""

from __future__ import annotations

import csv
import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

CORNERS = ("x1", "y1", "x2", "y2")
"""The columns of a box: left, top, right and bottom, in px; right and bottom are outside."""

Corners = tuple[float, float, float, float]

_HEADER = ["image", *CORNERS]
_ROUNDING = 1  # px


class DrawnBox(NamedTuple):
    """A line of the file."""

    box: tuple[float, float, float, float]
    """Left, top, width, height in px of the photo, as turned by EXIF."""
    label: str | None
    """In place of the photo's, if there is one."""
    where: str
    """The file and line."""

    def reaches_over(self, width: int, height: int) -> bool:
        """Whether more than rounding lies outside a photo of so many px."""
        left, top, across, down = self.box
        low, high = min(left, top), max(left + across - width, top + down - height)
        return low < -_ROUNDING or high > _ROUNDING


def boxes_by_photo(
    path: Path, photos: Iterable[Mapping[str, str | None]], labels: Iterable[str]
) -> dict[str, list[DrawnBox]]:
    """Read the file, and find the photos that it names.

    Args:
        path: CSV, UTF-8, with the header `image,x1,y1,x2,y2` or `image,x1,y1,x2,y2,label`. An
            image is named by its sha256, its URL, or the file name in its URL.
        photos: Rows with `sha256` and `image_url`.
        labels: Those that a box may have.

    Returns:
        By the photo's sha256, its boxes. Lines that name no photo are left out: the photo may
        have been dropped in curation.

    Raises:
        CorallineError: A line is wrong, names two photos, or no line names a photo.
    """
    named = _read(path, frozenset(labels))
    found: dict[str, list[DrawnBox]] = {}
    owner: dict[str, str] = {}
    for photo in photos:
        sha256, url = photo["sha256"] or "", photo["image_url"] or ""
        for name in dict.fromkeys((sha256, url, _file_name(url))):
            if name not in named:
                continue
            if owner.setdefault(name, sha256) != sha256:
                raise CorallineError(
                    f"{name} is the name of two photos",
                    where=named[name][0].where,
                    fix="Name each by its URL or its sha256.",
                )
            found.setdefault(sha256, []).extend(named[name])
    if not found:
        raise CorallineError(
            "no line names a photo of the dataset",
            where=str(path),
            fix="Name photos by file name, URL or sha256.",
        )
    return found


def corners_of(fields: Sequence[str], where: str) -> Corners:
    """The corners of a box, as a line of a file has them.

    Args:
        fields: What stands in the columns `CORNERS`.
        where: The file and line.

    Raises:
        CorallineError: They are no four numbers, or no box.
    """
    try:
        x1, y1, x2, y2 = map(float, fields)
    except ValueError:
        raise CorallineError(f"not four numbers: {','.join(fields)}", where=where) from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
        fix = "x1 is left of x2, y1 above y2."
        raise CorallineError(f"not a box: {','.join(fields)}", where=where, fix=fix)
    return x1, y1, x2, y2


def _read(path: Path, labels: frozenset[str]) -> dict[str, list[DrawnBox]]:
    """The lines by the name of their image."""
    named: dict[str, list[DrawnBox]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = [name.strip() for name in next(lines, [])]
            if header not in (_HEADER, [*_HEADER, "label"]):
                raise CorallineError(
                    f"the header is {','.join(header) or 'empty'}",
                    where=f"{path}, line 1",
                    fix=f"Begin the file with {','.join(_HEADER)} and, if wanted, ,label.",
                )
            for fields in lines:
                if fields:
                    where = f"{path}, line {lines.line_num}"
                    name, box, label = _parse(fields, len(header), labels, where)
                    named.setdefault(name, []).append(DrawnBox(box, label, where))
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorallineError(f"not CSV in UTF-8: {error}", where=str(path)) from error
    return named


def _parse(
    fields: list[str], columns: int, labels: frozenset[str], where: str
) -> tuple[str, tuple[float, float, float, float], str | None]:
    if len(fields) != columns:
        raise CorallineError(f"{len(fields)} fields, where the header has {columns}", where=where)
    name, *numbers, label = (field.strip() for field in [*fields, ""][:6])
    if not name:
        raise CorallineError("no image is named", where=where)
    x1, y1, x2, y2 = corners_of(numbers, where)
    if label and label not in labels:
        known = ", ".join(sorted(labels))
        raise CorallineError(f"label {label!r} is none of the dataset's: {known}", where=where)
    return name, (x1, y1, x2 - x1, y2 - y1), label or None


def _file_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name
