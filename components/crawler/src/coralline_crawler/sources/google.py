"""Google's image search."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from icrawler.builtin.google import GoogleFeeder

from coralline_crawler.sources.search_engine import fed, new_session

if TYPE_CHECKING:
    from collections.abc import Iterator

# In the page's scripts, a picture is ["https://…",height,width], first as Google's own thumbnail,
# then as the original; the page that it is on follows under the key 2003.
_PICTURE = re.compile(r'\[("https?://[^"]+"),\d+,\d+\]')
_PAGE = re.compile(r'"2003":\[null,"[^"]*",("https?://[^"]+")')
_THUMBNAILS = ("gstatic.com", "google.com")


class Google:
    """See `search_engine.SearchEngine`."""

    name = "google"
    page_size = 100

    def __init__(self, user_agent: str) -> None:
        self.session = new_session(user_agent)

    def page_urls(self, query: str, offset: int, limit: int) -> Iterator[str]:
        """See `SearchEngine`."""
        return fed(GoogleFeeder, self.session, keyword=query, offset=offset, max_num=limit)

    def read(self, page: str) -> Iterator[tuple[str, str | None]]:
        """See `SearchEngine`."""
        pictures = [found for found in _PICTURE.finditer(page) if not _is_thumbnail(_url(found))]
        starts = [found.start() for found in pictures]
        for picture, end in zip(pictures, [*starts[1:], len(page)], strict=False):
            if url := _url(picture):
                yield url, _url(_PAGE.search(page, picture.end(), end))


def _url(found: re.Match[str] | None) -> str | None:
    """The URL, which is written as a JSON string; None where it is not one."""
    try:
        return str(json.loads(found[1])) if found else None
    except ValueError:
        return None


def _is_thumbnail(url: str | None) -> bool:
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:
        return False
    return any(host == domain or host.endswith("." + domain) for domain in _THUMBNAILS)
