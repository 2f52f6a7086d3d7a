"""A careful fetcher: what a URL leads to, checked at every hop, or the reason why not."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import aiohttp
from yarl import URL

from coralline_crawler.addresses import PrivateAddressError, public_socket
from coralline_crawler.decode import Picture, inspect_image
from coralline_crawler.hosts import Hosts
from coralline_crawler.rejects import RejectedError
from coralline_crawler.robots import Robots, check_header
from coralline_crawler.room import Room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from coralline_crawler.settings import CrawlSettings

T = TypeVar("T")

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_RETRIED = ("connection", "rate-limited", "server-error")
_HOSTS_FAULT = ("connection", "rate-limited", "timeout")
_BACKOFF = 0.5  # s before the first retry; doubled before each further one
_TEXT_BYTES = 4 << 20  # of a page of results, or a robots.txt
_DECODERS = 2
_MAX_VALIDATOR = 256  # characters of an ETag


class Image(NamedTuple):
    """A file that is a whole picture, as it was sent."""

    data: bytes
    sha256: str
    picture: Picture
    fetched_at: datetime
    etag: str | None = None
    last_modified: str | None = None
    """What the server said to tell it from a later one by."""


class Fetcher:
    """Fetches over HTTP; use as an asynchronous context manager.

    Args:
        settings: The limits, and the manners.
        room: Where images wait once they are fetched: nothing is fetched while it is full.
    """

    def __init__(self, settings: CrawlSettings, room: Room | None = None) -> None:
        self._settings = settings
        self._room = room or Room(sys.maxsize)
        self._hosts = Hosts(settings.per_host)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._robots = Robots(settings.user_agent, self.text, self._hosts)
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        settings = self._settings
        # asyncio resolves names in its default threads, of which a few dead name servers hold all.
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(settings.concurrency, "resolve")
        )
        self._decoders = self._cleanup.enter_context(ThreadPoolExecutor(_DECODERS, "decode"))
        self._session = await self._cleanup.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,  # the turns and slots are the limit
                    socket_factory=None if settings.allow_private_addresses else public_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "User-Agent": settings.introduction,
                    "Accept-Encoding": "identity",
                },
                timeout=aiohttp.ClientTimeout(),  # none: `_exchange` holds the clock
            )
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._cleanup.aclose()

    async def image(
        self, url: str, etag: str | None = None, last_modified: str | None = None
    ) -> Image | None:
        """The picture at a URL.

        Args:
            url: Where.
            etag: What the server said of the picture that we have, to be sent another one only
                (RFC 9110, 13.1).
            last_modified: Likewise.

        Returns:
            The picture; None where the server says that it is still the one that we have.

        Raises:
            RejectedError: Why there is none that could be taken.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        wanted = _Wanted(
            self._settings.max_bytes,
            self._settings.robots,
            _Clock(self._settings.timeout),
            {name: value for name, value in conditions.items() if value},
        )
        try:
            return await self._persist(url, wanted, self._inspect)
        except _NotModifiedError:
            return None

    async def text(self, url: URL | str) -> str:
        """The text at a URL that is not an image's: an API's, a robots.txt.

        Raises:
            RejectedError: Why it could not be had.
        """
        wanted = _Wanted(_TEXT_BYTES, False, _Clock(self._settings.timeout), {})
        return await self._persist(url, wanted, _decoded)

    async def file(self, path: Path) -> Image:
        """The picture in a file of this machine.

        Raises:
            RejectedError: Why it could not be taken.
        """

        def read() -> Image:
            try:
                with path.open("rb") as file:
                    data = file.read(self._settings.max_bytes + 1)
            except OSError:
                raise RejectedError("missing-file") from None
            if len(data) > self._settings.max_bytes:
                raise RejectedError("too-large")
            return self._checked(data)

        async with self._slots:
            await self._room.wait()
            return await asyncio.get_running_loop().run_in_executor(self._decoders, read)

    async def _persist(
        self, url: URL | str, wanted: _Wanted, then: Callable[[_Body], Awaitable[T]]
    ) -> T:
        """Try again what may pass, each time a little later."""
        attempt = 0
        while True:
            try:
                return await self._follow(url, wanted, then)
            except RejectedError as reject:
                if reject.reason not in _RETRIED or attempt == self._settings.retries:
                    raise
            await asyncio.sleep(_BACKOFF * 2**attempt * random.uniform(0.5, 1.5))
            attempt += 1

    async def _follow(
        self, url: URL | str, wanted: _Wanted, then: Callable[[_Body], Awaitable[T]]
    ) -> T:
        here = _parsed(url)
        for _ in range(MAX_REDIRECTS + 1):
            if wanted.robots:
                await self._robots.check(here)
            # What is done with the body counts as part of the turn, so that no more bodies are in
            # memory than there are slots.
            async with self._hosts.turn(here.host or ""), self._slots:
                await self._room.wait()
                answer = await self._answer(here, wanted)
                if isinstance(answer, _Body):
                    return await then(answer)
            here = answer
        raise RejectedError("too-many-redirects")

    async def _answer(self, url: URL, wanted: _Wanted) -> _Body | URL:
        """One request, of which the host's record hears."""
        failure = None
        try:
            return await self._exchange(url, wanted)
        except RejectedError as reject:
            if reject.reason in _HOSTS_FAULT:
                failure = reject.reason
            raise
        finally:
            self._hosts.heard(url.host or "", failure)

    async def _exchange(self, url: URL, wanted: _Wanted) -> _Body | URL:
        """One request: the body, or where it redirects to."""
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(wanted.clock.left),
                self._session.get(
                    url, allow_redirects=False, headers=wanted.conditions
                ) as response,
            ):
                if response.status in _REDIRECTS and "Location" in response.headers:
                    return _parsed(response.headers["Location"], url)
                if response.status == 304 and wanted.conditions:
                    raise _NotModifiedError
                self._check_status(url, response)
                if wanted.robots:
                    values = response.headers.getall("X-Robots-Tag", [])
                    check_header(values, self._settings.user_agent)
                return _Body(
                    await _read(response, wanted.max_bytes),
                    _sendable(response.headers.get("ETag")),
                    _sendable(response.headers.get("Last-Modified")),
                )
        except TimeoutError:
            raise RejectedError("timeout") from None
        except aiohttp.InvalidURL:
            raise RejectedError("bad-url") from None
        except (aiohttp.ClientError, OSError) as error:
            private = isinstance(getattr(error, "os_error", None), PrivateAddressError)
            raise RejectedError("private-address" if private else "connection") from error
        except ValueError:  # a host that no resolver takes, a login that no header can hold
            raise RejectedError("bad-url") from None
        finally:
            wanted.clock.left -= time.monotonic() - started

    def _check_status(self, url: URL, response: aiohttp.ClientResponse) -> None:
        match response.status:
            case 200:
                return
            case 404 | 410:
                raise RejectedError("not-found")
            case 401 | 402 | 403 | 451:
                raise RejectedError("refused")
            case 429 | 503:
                self._hosts.pause(url.host or "", _retry_after(response))
                raise RejectedError("rate-limited" if response.status == 429 else "server-error")
            case status if status >= 500:
                raise RejectedError("server-error")
            case _:
                raise RejectedError("http-error")

    async def _inspect(self, body: _Body) -> Image:
        loop = asyncio.get_running_loop()
        image = await loop.run_in_executor(self._decoders, self._checked, body.data)
        return image._replace(etag=body.etag, last_modified=body.last_modified)

    def _checked(self, data: bytes) -> Image:
        picture = inspect_image(data, self._settings.max_pixels, self._settings.min_side)
        return Image(data, hashlib.sha256(data).hexdigest(), picture, datetime.now(UTC))


class _Clock:
    """The seconds that an image has left: waiting for a turn does not use them up."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


class _Wanted(NamedTuple):
    """What a request is to bring, and under which conditions."""

    max_bytes: int
    robots: bool
    clock: _Clock
    conditions: dict[str, str]


class _Body(NamedTuple):
    """What a server sent."""

    data: bytes
    etag: str | None
    last_modified: str | None


class _NotModifiedError(Exception):
    """The server still has what we have."""


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body, unpacked where it is packed all the same, as far as it may go."""
    if (response.content_length or 0) > max_bytes:
        raise RejectedError("too-large")
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise RejectedError("too-large")
    return b"".join(chunks)


async def _decoded(body: _Body) -> str:
    return body.data.decode("utf-8-sig", "replace")  # a robots.txt may begin with a mark


def _sendable(value: str | None) -> str | None:
    """A header's value, if it is one that can be sent back."""
    fine = value and len(value) <= _MAX_VALIDATOR and value.isascii() and value.isprintable()
    return value if fine else None


def _parsed(url: URL | str, base: URL | None = None) -> URL:
    try:
        parsed = URL(url)
        if base is not None:
            parsed = base.join(parsed)
        host = parsed.host  # which may not decode
    except ValueError:
        raise RejectedError("bad-url") from None
    if parsed.scheme not in ("http", "https"):
        raise RejectedError("bad-scheme")
    if not host:
        raise RejectedError("bad-url")
    return parsed


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Seconds that the header asks for, given as such or as a date; 0 where it does not."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
