"""Visits as columns: a million of them are some arrays, and no object each."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from coralline_crawler.record import Visit

_NAME: pa.DataType = pa.dictionary(pa.int32(), pa.string())

NARROW = pa.schema(
    [
        ("key", pa.uint64()),  # of the label and the URL
        ("image", pa.uint64()),  # of the label and the sha256; 0 where there is none
        ("group_key", pa.uint64()),  # 0 where there is none; the following, too
        ("page_key", pa.uint64()),
        ("version_key", pa.uint64()),
        ("label", _NAME),
        ("query", _NAME),
        ("source", _NAME),
        ("licence", _NAME),  # empty where it is not known
        ("outcome", _NAME),
        ("limits", _NAME),  # of the crawl
        ("record", pa.int32()),  # the place of its record among all
        ("rank", pa.int32()),
        ("tries", pa.int16()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sharpness", pa.float32()),
        ("checked_at", pa.timestamp("ms", tz="UTC")),
    ]
)
"""What every crawl looks at, of every visit."""

_WIDE: list[tuple[str, pa.DataType]] = [
    ("url", pa.string()),
    ("page_url", pa.string()),
    ("creator", pa.string()),
    ("group", pa.string()),
    ("version", pa.string()),
    ("sha256", pa.string()),
    ("etag", pa.string()),
    ("last_modified", pa.string()),
    ("phash", pa.uint64()),
]

WIDE = pa.schema(_WIDE)
"""What is looked at of few visits."""

VISITS = pa.schema([*NARROW, *WIDE])


def hash64(*parts: str) -> int:
    """A hash that tells texts apart: of a million, two agree once in 37 million times."""
    data = "\0".join(parts).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def optional_key(text: str | None) -> int:
    """The hash of a text; 0 where there is none."""
    return hash64(text) if text else 0


def image_key(label: str, sha256: str | None) -> int:
    """The key of an image of a label; 0 where there is none."""
    return int(sha256[:16], 16) ^ _label_key(label) if sha256 else 0


@lru_cache(maxsize=4096)
def _label_key(label: str) -> int:
    return hash64(label)


def tabulate(visits: Iterable[Visit], record: int, limits: str, at: datetime) -> pa.Table:
    """The visits of a record: `VISITS`.

    Args:
        visits: In order.
        record: The record's place.
        limits: Its limits, as text.
        at: When it was written, for visits that do not say when they were made.
    """
    columns: dict[str, list[Any]] = {name: [] for name in VISITS.names}
    for visit in visits:
        columns["key"].append(hash64(visit.label, visit.url))
        columns["image"].append(image_key(visit.label, visit.sha256))
        columns["group_key"].append(optional_key(visit.group))
        columns["page_key"].append(optional_key(visit.page_url))
        columns["version_key"].append(optional_key(visit.version))
        columns["licence"].append(visit.licence or "")
        columns["limits"].append(limits)
        columns["record"].append(record)
        columns["width"].append(visit.width or 0)
        columns["height"].append(visit.height or 0)
        columns["sharpness"].append(visit.sharpness or 0.0)
        columns["checked_at"].append(visit.checked_at or at)
        for name in ("label", "query", "source", "outcome", "rank", "tries", *_AS_THEY_ARE):
            columns[name].append(getattr(visit, name))
    return pa.table([pa.array(columns[field.name], field.type) for field in VISITS], schema=VISITS)


_AS_THEY_ARE = tuple(WIDE.names)
