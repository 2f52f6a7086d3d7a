"""What a source names, before anything of it is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


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

    @property
    def together(self) -> str | None:
        """The name of what belongs together with it: the source's word, or else its page."""
        return self.group or self.page_url
