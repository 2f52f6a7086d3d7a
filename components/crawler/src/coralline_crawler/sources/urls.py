"""A CSV file of addresses."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError

from coralline_crawler.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_REQUIRED = ("label", "url")
_OPTIONAL = ("page_url", "creator", "licence", "group")


def list_urls(
    path: Path, label: str, labels: Collection[str], licence: str | None = None
) -> Iterator[Candidate]:
    """The lines of a label, in the file's order.

    Args:
        path: A CSV file with the header `label,url` and the optional columns `page_url`,
            `creator`, `licence` and `group`; UTF-8.
        label: Whose lines.
        labels: All that there are.
        licence: Of the lines that name none, if it is known.

    Raises:
        CorallineError: The file cannot be read, or a line is wrong; it is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            _check_header(path, lines.fieldnames or ())
            for line in lines:
                found = _candidate(line, f"{path}, line {lines.line_num}", labels)
                if found.label == label:
                    yield found._replace(licence=found.licence or licence)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorallineError(f"the list cannot be read: {error}", where=str(path)) from error


def _check_header(path: Path, header: Collection[str]) -> None:
    missing = [name for name in _REQUIRED if name not in header]
    unknown = [name for name in header if name not in _REQUIRED + _OPTIONAL]
    if missing or unknown:
        raise CorallineError(
            f"the header is {','.join(header)!r}",
            where=f"{path}, line 1",
            fix=f"Write {','.join(_REQUIRED)}, and of {', '.join(_OPTIONAL)} what you have.",
        )


def _candidate(line: dict[str, str | None], where: str, labels: Collection[str]) -> Candidate:
    label, url = line["label"], line["url"]
    if not label or not url or None in line:
        raise CorallineError("the line does not have the header's columns", where=where)
    if label not in labels:
        raise CorallineError(
            f"{label!r} is not a label of the project",
            where=where,
            fix=f"There are: {', '.join(labels)}.",
        )
    page_url, creator, licence, group = (line.get(name) or None for name in _OPTIONAL)
    return Candidate(url.strip(), label, "", "urls", page_url, creator, licence, group)
