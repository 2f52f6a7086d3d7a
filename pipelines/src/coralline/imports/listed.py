"""Images that the lines of a CSV file name, with boxes in them or without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_cropper.box_file import CORNERS, corners_of

from coralline.imports.pictures import (
    SPLITS,
    Box,
    Picture,
    check_label,
    given,
    numbered,
    of_file,
    of_url,
    open_csv,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KNOWN = ("label", "split", "group", "page_url", "creator", "licence")


class Listed:
    """The images of a CSV file; see `source.pictures_of`.

    Args:
        path: The file.
        labels: The project's.
    """

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self._path = path
        self._labels = labels

    def __iter__(self) -> Iterator[Picture]:
        label_of: dict[str, str] = {}
        with open_csv(self._path) as lines:
            boxes = _check_header(self._path, lines.fieldnames or ())
            for where, line in numbered(self._path, lines):
                picture = self._picture(line, boxes, where)
                url, label = picture.candidate.url, picture.candidate.label
                first = label_of.setdefault(url, label)
                if first != label and not boxes:
                    raise CorallineError(
                        f"{line['image']} is {first} in a line above, and {label} here",
                        where=where,
                        fix="Give each image one label.",
                    )
                # What is in a box may be another thing than the photo's first: the box says it.
                yield picture._replace(candidate=picture.candidate._replace(label=first))

    def _picture(self, line: dict[str, str], boxes: bool, where: str) -> Picture:
        name, told = line["image"].strip(), given(line)
        remote = name.startswith(("http://", "https://"))
        path = Path(self._path.parent, name)
        if not name or not (remote or path.is_file()):
            what = f"there is no file {path}" if name else "no image is named"
            raise CorallineError(what, where=where)
        label = told.get("label") or ("" if remote else path.parent.name)
        check_label(label, self._labels, where)
        box = Box(corners_of([line[corner] for corner in CORNERS], where), label) if boxes else None
        split = told.get("split")
        if split is not None and split.lower() not in SPLITS:
            fix = "Write train, validation or test."
            raise CorallineError(f"no split is called {split!r}", where=where, fix=fix)
        if split is not None and remote:
            fix = "Fetch the image yourself, and name its file."
            raise CorallineError("a split can be kept for files only", where=where, fix=fix)
        candidate = of_url(name, label, told) if remote else of_file(path, label, told)
        return Picture(candidate, SPLITS[split.lower()] if split else None, box)


def _check_header(path: Path, header: Sequence[str]) -> bool:
    """Whether the lines have boxes."""
    boxes = all(name in header for name in CORNERS)
    unknown = [name for name in header if name not in ("image", *CORNERS, *_KNOWN)]
    if "image" not in header or unknown or (not boxes and set(header) & set(CORNERS)):
        raise CorallineError(
            f"the header is {','.join(header) or 'empty'}",
            where=f"{path}, line 1",
            fix=f"Write image, for boxes {','.join(CORNERS)}, and of {', '.join(_KNOWN)} what "
            "you have.",
        )
    return boxes
