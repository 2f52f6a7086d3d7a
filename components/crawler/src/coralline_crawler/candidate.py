"""What a source names, before anything of it is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Held(NamedTuple):
    """An image in the store."""

    sha256: str
    phash: int
    width: int
    height: int
    sharpness: float
    etag: str | None
    last_modified: str | None


class Candidate(NamedTuple):
    """A picture that may be one of a label."""

    url: str
    label: str
    query: str
    """What found it; empty where a file or a folder names it."""
    source: str
    page_url: str | None = None
    creator: str | None = None
    licence: str | None = None
    group: str | None = None
    """What the source says belongs together, if it says."""
    path: Path | None = None
    """The file, where it is on this machine."""
    version: str | None = None
    """What tells a file that was replaced from the one before."""
    rank: int = 0
    """Its place among the results of its search, from 0."""
    held: Held | None = None
    """The image that we have of it: its server is asked for another one only."""

    @property
    def together(self) -> str | None:
        """The name of what belongs together with it: the source's word, or else its page."""
        return self.group or self.page_url


class Results(NamedTuple):
    """Some of what a source has, and where it goes on."""

    candidates: list[Candidate]
    offset: int = 0
    """So many results, from the source's first, lie behind."""
    exhausted: bool = True
    """Whether these were the last."""
