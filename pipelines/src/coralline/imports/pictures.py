"""An image that somebody has, and what is said of it."""

from __future__ import annotations

import csv
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coralline_core.errors import CorallineError
from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from coralline_cropper.box_file import Corners
    from coralline_curator.settings import Split

SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What people call splits."""


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


def of_file(path: Path, label: str, told: Mapping[str, str]) -> Candidate:
    """What the crawler is given of a file.

    Args:
        path: The file.
        label: What it shows.
        told: Any of `image_url`, `page_url`, `creator`, `licence` and `group`.
    """
    stat = path.stat()
    url = path.resolve().as_uri()
    if "image_url" in told:
        # What has come from a URL need not be what is there: crops and copies that were edited
        # have it, too. So each has an address of its own, which still leads there.
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        url = f"{told['image_url'].partition('#')[0]}#sha256={digest}"
    version = f"{stat.st_mtime_ns}-{stat.st_size}"
    return of_url(url, label, told)._replace(path=path, version=version)


def of_url(url: str, label: str, told: Mapping[str, str]) -> Candidate:
    """What the crawler is given of an image that it is to fetch; arguments as of `of_file`."""
    return Candidate(
        url=url,
        label=label,
        query="",
        source="import",
        page_url=told.get("page_url"),
        creator=told.get("creator"),
        licence=told.get("licence"),
        group=told.get("group"),
    )


def check_label(label: str, labels: Sequence[str], where: str) -> None:
    """Raise CorallineError where the project does not have a label."""
    if label not in labels:
        raise CorallineError(
            f"{label!r} is not a label of the project",
            where=where,
            fix=f"There are: {', '.join(labels)}.",
        )


@contextmanager
def open_csv(path: Path) -> Iterator[csv.DictReader[str]]:
    """The lines of a CSV file.

    Raises:
        CorallineError: It cannot be read, or is no CSV in UTF-8; on going through it, too.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield csv.DictReader(file, strict=True)
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorallineError(f"not CSV in UTF-8: {error}", where=str(path)) from error


def numbered(path: Path, lines: csv.DictReader[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The lines, each with where it is.

    Raises:
        CorallineError: One has not as many fields as the header.
    """
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        if None in line or None in line.values():
            raise CorallineError("not as many fields as the header has", where=where)
        yield where, line


def given(line: Mapping[str, str]) -> dict[str, str]:
    """What a line says, without what is empty."""
    return {name: value.strip() for name, value in line.items() if value.strip()}
