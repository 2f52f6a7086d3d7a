"""Bing's image search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from bs4 import BeautifulSoup, ParserRejectedMarkup
from icrawler.builtin.bing import BingFeeder

from coralline_crawler.sources.search_engine import fed, new_session

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bing:
    """See `search_engine.SearchEngine`."""

    name = "bing"
    page_size = 20

    def __init__(self, user_agent: str) -> None:
        self.session = new_session(user_agent)

    def page_urls(self, query: str, offset: int, limit: int) -> Iterator[str]:
        """See `SearchEngine`."""
        # The feeder puts the query into the URL as it is: `&` and `#` would cut it.
        keyword = quote_plus(query)
        return fed(BingFeeder, self.session, keyword=keyword, offset=offset, max_num=limit)

    def read(self, page: str) -> Iterator[tuple[str, str | None]]:
        """See `SearchEngine`: every result has a link with a JSON object in its attribute `m`."""
        try:
            links = BeautifulSoup(page, "html.parser").find_all("a", attrs={"m": True})
        except ParserRejectedMarkup:
            return
        for link in links:
            try:
                result = json.loads(str(link["m"]))
            except ValueError:
                continue
            if isinstance(result, dict) and isinstance(url := result.get("murl"), str):
                page_url = result.get("purl")
                yield url, page_url if isinstance(page_url, str) else None
