"""The box file of a project, which the cropper reads: boxes that people have drawn."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coralline.imports.pictures import Pictures
    from coralline.project import Project

Line = tuple[str, ...]

_HEADER = ["image", "x1", "y1", "x2", "y2", "label"]


def box_file_of(project: Project, file: Path, source: Path) -> Path:
    """The file that the project names, or a new one beside the project's own.

    Raises:
        CorallineError: The project names the very file that is imported.
    """
    path = project.crop.boxes or file.with_name(f"{project.name}-boxes.csv")
    if path.resolve() == source.resolve():
        raise CorallineError(
            "the project's box file is to be imported into itself",
            where=str(source),
            fix="Take `boxes` and `mode` out of `crop:`; the import says what to write there.",
        )
    return path


def extend(path: Path, pictures: Pictures) -> int | None:
    """Write the boxes of some images below those that are in a box file.

    The images are named by their sha256, or by the URL where they are still to be fetched. What is
    in the file stays as it is; the file is whole whenever the process dies.

    Args:
        path: The box file, which need not exist.
        pictures: All of them are gone through; files that have boxes are read.

    Returns:
        How many boxes were not in the file before; None where no image has a box.

    Raises:
        CorallineError: The file is no box file, or cannot be written.
    """
    drawn = list(dict.fromkeys(_lines(pictures)))
    if not drawn:
        return None
    try:
        there = _read(path)
        known = {_same(line) for line in there}
        new = [line for line in drawn if _same(line) not in known]
        if new:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([_HEADER, *there, *new])
            beside = path.with_name(f"{path.name}.new")
            beside.write_text(text.getvalue(), encoding="utf-8")
            beside.replace(path)
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    return len(new)


def _lines(pictures: Pictures) -> Iterator[Line]:
    path, name = None, ""
    for candidate, _, box in pictures:
        if box is None:
            continue
        if candidate.path is None:
            name = candidate.url
        elif candidate.path != path:  # a photo's boxes mostly come one after the other
            with candidate.path.open("rb") as file:
                name = hashlib.file_digest(file, "sha256").hexdigest()
        path = candidate.path
        yield name, *(f"{corner:.10g}" for corner in box.corners), box.label


def _read(path: Path) -> list[Line]:
    """The lines of a box file, each with a label, be it empty; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = [line for line in csv.reader(file) if line] or [_HEADER]
    named = [name.strip() for name in header]
    wrong = [line for line in lines if len(line) != len(named)]
    if named not in (_HEADER, _HEADER[:-1]) or wrong:
        fix = f"Begin it with {','.join(_HEADER)}, or let `crop.boxes` name another file."
        raise CorallineError("it is no box file", where=str(path), fix=fix)
    return [tuple([*map(str.strip, line), ""][: len(_HEADER)]) for line in lines]


def _same(line: Line) -> Line:
    """What two lines have in common that say the same."""
    name, *corners, label = line
    try:
        return name, *(f"{float(corner):.10g}" for corner in corners), label
    except ValueError:  # the cropper says what is wrong with it
        return line
