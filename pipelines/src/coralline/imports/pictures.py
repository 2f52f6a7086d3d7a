"""What people have: images in folders, or named in a CSV file."""

from __future__ import annotations

import csv
import hashlib
import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coralline_core.errors import CorallineError
from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coralline_curator.settings import Split

SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What people call splits."""

_CORNERS = ("x1", "y1", "x2", "y2")
_KNOWN = ("label", "split", "group", "page_url", "creator", "licence")
_METADATA = "metadata.csv"

Corners = tuple[float, float, float, float]


class Box(NamedTuple):
    """A box in an image: its corners, in px, and what is in it."""

    corners: Corners
    label: str


class Picture(NamedTuple):
    """An image that is to be taken in."""

    candidate: Candidate
    split: Split | None = None
    """Where it is to stay, if anybody says."""
    box: Box | None = None
    """An image with several boxes is there several times."""


class Pictures(Protocol):
    """Images that can be gone through more than once; of any number, one is in memory."""

    def __iter__(self) -> Iterator[Picture]: ...


def pictures_of(source: Path, labels: Sequence[str]) -> Pictures:
    """The images of a folder or of a CSV file.

    A folder has a subfolder for each label, or `train`, `validation` and `test` with such ones in
    them. A folder within a label's is a group, which stays in one split. A `metadata.csv` with
    `file_name` beside the labels' folders, as `coralline export` and `datasets` write it, tells
    where images are from.

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
        return _Folder(source, labels)
    if source.is_file():
        return _Listed(source, labels)
    fix = "Name a folder of images, or a CSV file."
    raise CorallineError("there is no such folder or file", where=str(source), fix=fix)


class _Folder:
    """Images by label, or by split and label."""

    def __init__(self, root: Path, labels: Sequence[str]) -> None:
        self._labels = labels
        folders = _folders(root)
        names = [folder.name for folder in folders]
        by_split = not set(names) & set(labels) and all(name.lower() in SPLITS for name in names)
        self._parts: list[tuple[Path, Split | None]] = [(root, None)]
        if names and by_split:
            self._parts = [(folder, SPLITS[folder.name.lower()]) for folder in folders]
        for part, _ in self._parts:
            for folder in _folders(part):
                _check_label(folder.name, labels, str(folder))

    def __iter__(self) -> Iterator[Picture]:
        for part, split in self._parts:
            known = _metadata(part / _METADATA)
            for folder in _folders(part):
                for file in sorted(folder.rglob("*")):
                    if file.is_file() and not file.name.startswith("."):
                        inside = file.relative_to(folder).parts[:-1]
                        told = known.get(file.relative_to(part).as_posix(), {})
                        told = {**({"group": inside[0]} if inside else {}), **_given(told)}
                        yield Picture(_candidate(file, folder.name, told), split)


class _Listed:
    """Images that the lines of a CSV file name."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self._path = path
        self._labels = labels

    def __iter__(self) -> Iterator[Picture]:
        label_of: dict[str, str] = {}
        with _opened(self._path) as lines:
            boxes = _check_header(self._path, lines.fieldnames or ())
            for line in lines:
                where = f"{self._path}, line {lines.line_num}"
                if None in line or None in line.values():
                    raise CorallineError("not as many fields as the header has", where=where)
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
        name, told = line["image"].strip(), _given(line)
        remote = name.startswith(("http://", "https://"))
        path = Path(self._path.parent, name)
        if not name or not (remote or path.is_file()):
            what = f"there is no file {path}" if name else "no image is named"
            raise CorallineError(what, where=where)
        label = told.get("label") or ("" if remote else path.parent.name)
        _check_label(label, self._labels, where)
        box = Box(_corners(line, where), label) if boxes else None
        split = told.get("split")
        if split is not None and split.lower() not in SPLITS:
            fix = "Write train, validation or test."
            raise CorallineError(f"no split is called {split!r}", where=where, fix=fix)
        if split is not None and remote:
            fix = "Fetch the image yourself, and name its file."
            raise CorallineError("a split can be kept for files only", where=where, fix=fix)
        candidate = _candidate(None if remote else path, label, told, name)
        return Picture(candidate, SPLITS[split.lower()] if split else None, box)


def _candidate(path: Path | None, label: str, told: Mapping[str, str], url: str = "") -> Candidate:
    """What the crawler is given: a file, which may have come from a URL, or a URL."""
    version = None
    if path is not None:
        stat = path.stat()
        url, version = path.resolve().as_uri(), f"{stat.st_mtime_ns}-{stat.st_size}"
        if "image_url" in told:
            # What has come from a URL need not be what is there: crops and copies that were edited
            # have it, too. So each has an address of its own, which still leads there.
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            url = f"{told['image_url'].partition('#')[0]}#sha256={digest}"
    elif told.get("image_url"):
        url = str(told["image_url"])
    return Candidate(
        url=url,
        label=label,
        query="",
        source="import",
        page_url=told.get("page_url"),
        creator=told.get("creator"),
        licence=told.get("licence"),
        group=told.get("group"),
        path=path,
        version=version,
    )


def _folders(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def _check_label(label: str, labels: Sequence[str], where: str) -> None:
    if label not in labels:
        raise CorallineError(
            f"{label!r} is not a label of the project",
            where=where,
            fix=f"There are: {', '.join(labels)}.",
        )


def _metadata(path: Path) -> dict[str, dict[str, str]]:
    """By the file's name below the folder, what a `metadata.csv` says of it."""
    if not path.is_file():
        return {}
    with _opened(path) as lines:
        return {line["file_name"]: line for line in lines if line.get("file_name")}


def _given(line: Mapping[str, str | None]) -> dict[str, str]:
    """What a line says, without what is empty."""
    return {name: value.strip() for name, value in line.items() if value and value.strip()}


@contextmanager
def _opened(path: Path) -> Iterator[csv.DictReader[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield csv.DictReader(file, strict=True)
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorallineError(f"not CSV in UTF-8: {error}", where=str(path)) from error


def _check_header(path: Path, header: Sequence[str]) -> bool:
    """Whether the lines have boxes."""
    boxes = all(name in header for name in _CORNERS)
    unknown = [name for name in header if name not in ("image", *_CORNERS, *_KNOWN)]
    if "image" not in header or unknown or (not boxes and set(header) & set(_CORNERS)):
        raise CorallineError(
            f"the header is {','.join(header) or 'empty'}",
            where=f"{path}, line 1",
            fix=f"Write image, for boxes {','.join(_CORNERS)}, and of {', '.join(_KNOWN)} what "
            "you have.",
        )
    return boxes


def _corners(line: Mapping[str, str], where: str) -> Corners:
    fields = [line[name] for name in _CORNERS]
    try:
        x1, y1, x2, y2 = map(float, fields)
    except ValueError:
        raise CorallineError(f"not four numbers: {','.join(fields)}", where=where) from None
    if not all(map(math.isfinite, (x1, y1, x2, y2))) or x1 >= x2 or y1 >= y2:
        fix = "x1 is left of x2, y1 above y2."
        raise CorallineError(f"not a box: {','.join(fields)}", where=where, fix=fix)
    return x1, y1, x2, y2
