"""What sites ask of crawlers: robots.txt (RFC 9309) and the X-Robots-Tag header."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protego import Protego

from coralline_crawler.rejects import RejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from yarl import URL

    from coralline_crawler.hosts import Hosts

_DIRECTIVES = {"noai", "noimageai", "noindex", "noimageindex", "none"}
_WITH_VALUE = {"max-image-preview", "max-snippet", "max-video-preview", "unavailable_after"}
_MAX_RULES = 500 << 10  # characters; whoever writes more cannot count on the rest (RFC 9309, 2.5)
_MAX_DELAY = 10.0  # s: more between two requests would make a crawl of days
_UNCLEAR = ("rate-limited", "server-error", "timeout", "too-large")


class Robots:
    """The robots.txt of every site, each read once.

    Args:
        user_agent: Whom the rules are read for.
        read: Reads the text at a URL, or raises RejectedError.
        hosts: Learns of `Crawl-delay`.
    """

    def __init__(
        self, user_agent: str, read: Callable[[URL], Awaitable[str]], hosts: Hosts
    ) -> None:
        self._user_agent = user_agent
        self._read = read
        self._hosts = hosts
        self._sites: dict[URL, asyncio.Task[Protego]] = {}

    async def check(self, url: URL) -> None:
        """Raise RejectedError where the site does not want `url` to be fetched.

        Raises:
            RejectedError: `robots`: it is disallowed. `robots-unavailable`: the site cannot say
                (RFC 9309, 2.3.1.4). Another reason, where the site cannot be reached at all.
        """
        site = url.origin()
        if site not in self._sites:
            self._sites[site] = asyncio.create_task(self._rules(site))
        rules = await asyncio.shield(self._sites[site])
        if not rules.can_fetch(str(url), self._user_agent):
            raise RejectedError("robots")

    async def _rules(self, site: URL) -> Protego:
        try:
            text = await self._read(site.with_path("/robots.txt"))
        except RejectedError as reject:
            if reject.reason in _UNCLEAR:
                raise RejectedError("robots-unavailable") from None
            if reject.reason in ("connection", "private-address"):
                raise
            text = ""  # it is not there: everything is allowed (RFC 9309, 2.3.1.3)
        rules = Protego.parse(text[:_MAX_RULES])
        delay = rules.crawl_delay(self._user_agent)
        if delay and site.host:
            self._hosts.space(site.host, min(float(delay), _MAX_DELAY))
        return rules


def check_header(values: Iterable[str], user_agent: str) -> None:
    """Raise RejectedError (`noai`) where `X-Robots-Tag` keeps crawlers for training away.

    Args:
        values: Of the header, each time that it was sent, such as `noai, noimageai` or
            `otherbot: noindex`.
        user_agent: Ours; what is said to others does not count.
    """
    for value in values:
        name, colon, rest = value.partition(":")
        name = name.strip().lower()
        to_a_bot = colon and "," not in name and name not in _WITH_VALUE
        if to_a_bot and name not in user_agent.lower():
            continue
        directives = rest if to_a_bot else value
        if _DIRECTIVES & {directive.strip().lower() for directive in directives.split(",")}:
            raise RejectedError("noai")
