"""An image site on loopback that speaks Openverse's API, robots.txt and all."""

from __future__ import annotations

import asyncio
import html
import mimetypes
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web
from coralline_core.errors import CorallineError

from coralline_demo.catalogue import Entry, entries, search

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
PORT = 8765
"""Always the same one, so that a second crawl meets the addresses of the first."""

_PAGE_SIZE = 20  # what Openverse gives to those without an account
_ROBOTS = "User-agent: *\nDisallow: /private/\n"


@contextmanager
def image_site(port: int = PORT, host: str = HOST) -> Iterator[str]:
    """Run the site in a thread of this process while the context lasts.

    Args:
        port: Where to listen; 0 takes any free port.
        host: The address to listen on: loopback, or in a container `0.0.0.0`.

    Yields:
        The site's address, such as `http://127.0.0.1:8765`.

    Raises:
        CorallineError: The port is taken.
    """
    entries()  # the faces are read before anyone waits for them
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise CorallineError(
            f"cannot listen on port {port}: {error.strerror}",
            where="the demo's image site",
            fix="End the program that has the port (another demo?), and run again.",
        ) from error
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="image-site", daemon=True)
    thread.start()
    runner = web.AppRunner(application(), access_log=None, shutdown_timeout=1)
    try:
        asyncio.run_coroutine_threadsafe(_start(runner, listener), loop).result()
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        listener.close()


def application() -> web.Application:
    """The site as an aiohttp application, with counters of its own."""
    site = _Site()
    app = web.Application()
    app.add_routes(
        [
            web.get("/", site.home),
            web.get("/robots.txt", site.robots),
            web.get("/stats", site.stats),
            web.get("/v1/images/", site.find),
            web.get("/{folder:images|private}/{name}", site.image),
            web.get("/{folder:people|reposts|landscapes|broken}/{name}", site.page),
        ]
    )
    return app


class _Site:
    """The handlers, and what they count."""

    def __init__(self) -> None:
        self.searches = 0
        self.images: Counter[str] = Counter()

    async def home(self, request: web.Request) -> web.Response:
        """For a person who looks what this is."""
        address = f"{request.url.origin()}/v1/images/?q=person+with+glasses"
        return _html("coralline's demo", f'Try <a href="{address}">{address}</a>.')

    async def robots(self, _: web.Request) -> web.Response:
        """What a crawler must leave alone."""
        return web.Response(text=_ROBOTS)

    async def stats(self, _: web.Request) -> web.Response:
        """How often the site was searched, and how many images were asked for, by kind."""
        return web.json_response(
            {
                "searches": self.searches,
                "images": self.images.total(),
                "kinds": dict(sorted(self.images.items())),
            }
        )

    async def find(self, request: web.Request) -> web.Response:
        """`GET /v1/images/?q=…&page=…&page_size=…`, as in https://api.openverse.org/v1/."""
        self.searches += 1
        try:
            page = int(request.query.get("page", 1))
            size = int(request.query.get("page_size", _PAGE_SIZE))
        except ValueError:
            return web.json_response({"detail": "A valid integer is required."}, status=400)
        if not 1 <= size <= _PAGE_SIZE:
            detail = f"page_size may not exceed {_PAGE_SIZE} for anonymous requests"
            return web.json_response({"detail": detail}, status=401)
        found = search(request.query.get("q", ""))
        page_count = -(-len(found) // size)
        if not 1 <= page <= max(1, page_count):
            return web.json_response({"detail": "Invalid page."}, status=404)
        origin = str(request.url.origin())
        return web.json_response(
            {
                "result_count": len(found),
                "page_count": page_count,
                "page_size": size,
                "page": page,
                "results": [
                    _result(entry, origin) for entry in found[(page - 1) * size : page * size]
                ],
            }
        )

    async def image(self, request: web.Request) -> web.Response:
        """An image, or what a bad site sends in its place."""
        entry = entries().get(request.path)
        if entry is None:
            raise web.HTTPNotFound
        self.images[entry.kind] += 1
        if entry.kind == "missing":
            raise web.HTTPNotFound
        if entry.kind == "redirect":
            raise web.HTTPFound("file:///etc/hostname")
        headers = {"X-Robots-Tag": "noai"} if entry.kind == "noai" else {}
        content_type = mimetypes.guess_type(entry.path)[0]
        return web.Response(body=entry.body(), content_type=content_type, headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        """The page that images are on: a person's, a reposter's."""
        shown = [entry for entry in entries().values() if entry.page == request.path]
        if not shown:
            raise web.HTTPNotFound
        images = (
            f'<img src="{entry.path}" alt="{html.escape(entry.title)}">'
            for entry in sorted(shown, key=lambda entry: entry.path)
        )
        return _html(request.path, "\n".join(images))


async def _start(runner: web.AppRunner, listener: socket.socket) -> None:
    await runner.setup()
    await web.SockSite(runner, listener).start()


def _result(entry: Entry, origin: str) -> dict[str, Any]:
    identity = str(uuid5(NAMESPACE_URL, entry.path))
    detail = f"{origin}/v1/images/{identity}"
    creator = "AT&T Laboratories Cambridge"
    width, height = entry.size
    return {
        "id": identity,
        "title": entry.title,
        "indexed_on": "2002-01-01T00:00:00Z",
        "foreign_landing_url": origin + entry.page,
        "url": origin + entry.path,
        "creator": creator,
        "creator_url": origin,
        "license": "research-use",
        "license_version": None,
        "license_url": None,
        "provider": "orl-faces",
        "source": "orl-faces",
        "category": "photograph",
        "filesize": None,
        "filetype": entry.path.rpartition(".")[2],
        "tags": [{"name": "portrait", "accuracy": None, "unstable__provider": "orl-faces"}],
        "attribution": f'"{entry.title}" by {creator}, for research use.',
        "fields_matched": ["title"],
        "mature": False,
        "height": height,
        "width": width,
        "thumbnail": origin + entry.path,
        "detail_url": f"{detail}/",
        "related_url": f"{detail}/related/",
        "unstable__sensitivity": [],
    }


def _html(title: str, body: str) -> web.Response:
    text = f"<!doctype html>\n<title>{html.escape(title)}</title>\n{body}\n"
    return web.Response(text=text, content_type="text/html")
