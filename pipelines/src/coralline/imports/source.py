"""Where images are taken from: a folder, or a CSV file that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

from coralline.imports.folder import SUFFIXES, Folder
from coralline.imports.listed import Listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from coralline.imports.pictures import Pictures


def pictures_of(source: Path, labels: Sequence[str]) -> Pictures:
    """The images of a folder or of a CSV file.

    A folder has a subfolder for each label, or `train`, `validation` and `test` with such ones in
    them. A folder within a label's is a group, which stays in one split. A `metadata.csv` with
    `file_name` beside the labels' folders, as `coralline export` and `datasets` write it, tells
    where images are from. Links to files and folders are followed.

    A CSV file has the column `image`: a path, relative to the file, or a URL. Beside it there may
    be `label` (else the image's folder is named after it), the corners `x1,y1,x2,y2` of a box in
    px, `split`, `group`, `page_url`, `creator` and `licence`.

    Args:
        source: The folder or file.
        labels: The project's.

    Raises:
        CorallineError: There is no such thing; or, on going through it, something in it is wrong.
    """
    if source.is_dir():
        return Folder(source, labels)
    if source.suffix.lower() in SUFFIXES:
        raise CorallineError(
            "it is one picture, and nothing says what it shows",
            where=str(source),
            fix="Put it into a folder named after its label, and import the folder around that.",
        )
    if source.is_file():
        return Listed(source, labels)
    fix = "Name a folder of images, or a CSV file."
    raise CorallineError("there is no such folder or file", where=str(source), fix=fix)
