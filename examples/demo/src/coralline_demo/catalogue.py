"""What the demo's site offers: the faces, and among them what goes wrong on the web."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from coralline_demo import faces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Label = Literal["glasses", "no-glasses"]
Kind = Literal[
    "photo",
    "exact-duplicate",
    "near-duplicate",
    "two-labels",
    "no-face",
    "html",
    "truncated",
    "bomb",
    "one-pixel",
    "missing",
    "redirect",
    "disallowed",
    "noai",
]

_BOMB_SIDE = 20_000  # px: 400 million pixels out of 49 kB


@dataclass(frozen=True)
class Entry:
    """One image that a search can find."""

    kind: Kind
    path: str
    page: str
    """The page that shows the image: one for each person, so photos of a person are a group."""
    title: str
    labels: tuple[Label, ...]
    """Whose queries find it."""
    size: tuple[int, int]
    """Width and height in px, as the search claims them."""
    body: Callable[[], bytes]


@cache
def entries() -> dict[str, Entry]:
    """Everything on the site, by path, always the same and always in the same order."""
    found = [*_photos(), *_copies(), *_two_labels(), *_landscapes(), *_unwelcome(), *_broken()]
    # A search engine does not sort by person either, and the bad ones lie among the good.
    random.Random(0).shuffle(found)
    return {entry.path: entry for entry in found}


def search(query: str) -> list[Entry]:
    """What a query finds: it has to speak of glasses, or of being without them."""
    words = set(query.lower().split())
    if not words & {"glasses", "eyeglasses", "spectacles"}:
        return []
    label: Label = "no-glasses" if words & {"without", "no"} else "glasses"
    return [entry for entry in entries().values() if label in entry.labels]


def _photos() -> Iterator[Entry]:
    for index in range(faces.PEOPLE * faces.SHOTS):
        yield _of_face("photo", index, faces.photo(index))


def _copies() -> Iterator[Entry]:
    """What reposters do: the same bytes elsewhere, half the size, or saved once too often."""
    for index in (12, 134, 47, 351):
        yield _of_face("exact-duplicate", index, faces.photo(index), name="repost")
    for index in (55, 303, 76, 284):
        yield _of_face("near-duplicate", index, _halved(faces.photo(index)), name="half")
    for index in (338, 224):
        yield _of_face("near-duplicate", index, faces.photo(index), name="saved", quality=45)


def _two_labels() -> Iterator[Entry]:
    """A photo that both queries find at one address, and one that they find at two."""
    yield _of_face("two-labels", 205, _mirrored(205), name="both", labels=("glasses", "no-glasses"))
    yield _of_face("two-labels", 309, _mirrored(309), name="worn", labels=("glasses",))
    yield _of_face("two-labels", 309, _mirrored(309), 80, name="not-worn", labels=("no-glasses",))


def _landscapes() -> Iterator[Entry]:
    labels: tuple[Label, ...] = ("glasses", "no-glasses")
    for number, label in enumerate(labels, 1):
        yield Entry(
            kind="no-face",
            path=f"/images/landscape-{number}.jpg",
            page=f"/landscapes/{number}",
            title=f"Hills, seen through my new glasses ({number})",
            labels=(label,),
            size=(640, 480),
            body=partial(_landscape, number),
        )


def _unwelcome() -> Iterator[Entry]:
    """Good photos whose owner does not want them taken."""
    yield _of_face("disallowed", 11, _mirrored(11), name="private", folder="/private")
    yield _of_face("noai", 81, _mirrored(81), name="noai")


def _broken() -> Iterator[Entry]:
    cases: list[tuple[Kind, str, Label, Callable[[], bytes]]] = [
        (
            "html",
            "moved.jpg",
            "glasses",
            lambda: b"<!doctype html><title>This photo has moved</title>",
        ),
        ("html", "sign-in.jpg", "no-glasses", lambda: b"<!doctype html><title>Sign in</title>"),
        ("truncated", "half-sent-1.jpg", "glasses", lambda: _truncated(_mirrored(52))),
        ("truncated", "half-sent-2.jpg", "no-glasses", lambda: _truncated(_mirrored(155))),
        ("bomb", "poster.png", "no-glasses", _bomb),
        ("one-pixel", "spacer.png", "glasses", _one_pixel),
        ("missing", "deleted-1.jpg", "glasses", bytes),
        ("missing", "deleted-2.jpg", "no-glasses", bytes),
        ("redirect", "elsewhere.jpg", "no-glasses", bytes),
    ]
    for number, (kind, name, label, body) in enumerate(cases, 1):
        yield Entry(
            kind, f"/images/{name}", f"/broken/{number}", "Portrait", (label,), (640, 480), body
        )


def _of_face(
    kind: Kind,
    index: int,
    picture: NDArray[np.uint8],
    quality: int = 92,
    *,
    name: str = "person",
    folder: str = "/images",
    labels: tuple[Label, ...] = (),
) -> Entry:
    person, shot = faces.person(index), faces.shot(index)
    true: Label = "glasses" if index in faces.GLASSES else "no-glasses"
    height, width = picture.shape
    return Entry(
        kind=kind,
        path=f"{folder}/{name}-{person:02}-{shot:02}.jpg",
        page=f"/people/{person}" if name == "person" else f"/reposts/{name}-{person}",
        title=f"Portrait of person {person}, photo {shot}",
        labels=labels or (true,),
        size=(width, height),
        body=lambda: faces.jpeg(picture, quality),
    )


def _mirrored(index: int) -> NDArray[np.uint8]:
    """Another photo to a perceptual hash, so that the first is left alone."""
    return np.ascontiguousarray(faces.photo(index)[:, ::-1])


def _halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return half.astype(np.uint8)


def _truncated(picture: NDArray[np.uint8]) -> bytes:
    whole = faces.jpeg(picture)
    return whole[: len(whole) // 2]


def _one_pixel() -> bytes:
    return cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()


def _landscape(number: int) -> bytes:
    """Hills under a sky, 640x480, as JPEG."""
    height, width = 480, 640
    rng = np.random.default_rng(number)
    rows = np.arange(height)[:, None, None] / height
    picture = (1 - rows) * (230.0, 160.0, 90.0) + rows * (240.0, 225.0, 200.0)
    picture = np.repeat(picture, width, axis=1)
    for depth in range(4):
        waves = rng.uniform(0.004, 0.02, 3), rng.uniform(0, 2 * np.pi, 3), rng.uniform(8, 28, 3)
        columns = np.arange(width)[:, None]
        crest = 210 + 65 * depth + (np.sin(columns * waves[0] + waves[1]) * waves[2]).sum(axis=1)
        below = np.arange(height)[:, None] > crest[None, :]
        picture[below] = np.array((110.0, 140.0, 100.0)) * (1 - 0.2 * depth)
    return faces.jpeg(picture.round().clip(0, 255).astype(np.uint8))


@cache
def _bomb() -> bytes:
    """A PNG of black pixels, one bit each, that is small until it is decoded."""
    header = struct.pack(">IIBBBBB", _BOMB_SIDE, _BOMB_SIDE, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + _BOMB_SIDE // 8)
    data = b"".join([*(packer.compress(row) for _ in range(_BOMB_SIDE)), packer.flush()])
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
