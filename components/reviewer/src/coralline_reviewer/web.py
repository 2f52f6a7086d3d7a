"""The server: the page, and what it asks for."""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web
from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_reviewer.guard import HEALTH, add_headers, guard
from coralline_reviewer.messages import PAGE, Say, TakeBack, Wanted
from coralline_reviewer.refused import GoneError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coralline_reviewer.guard import Handler
    from coralline_reviewer.review import Review

T = TypeVar("T")
R = TypeVar("R", bound=Report)

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("review", "grid", "card", "history", "panels", "server", "writes")
_FILES = ("style.css", "icon.svg", *(f"{name}.js" for name in _SCRIPTS))
_FRESH = 2  # s for which what is known of the store is new enough
_READERS = 8
_LARGEST = 64 << 10  # bytes of a request
_KEPT = 600  # s that browsers keep a picture; somebody may want it gone
_DRAIN = 5  # s in which what was sent before the end must be written


def application(
    review: Review, hosts: Iterable[str] = (), who: str | None = None, who_header: str | None = None
) -> web.Application:
    """The server as an aiohttp application.

    Args:
        review: What is shown.
        hosts: See `guard`, as of `who` and `who_header`.
        who: Who everybody here is.
        who_header: The header in which a proxy says who asks.
    """
    server = _Server(review)
    middlewares = [guard(hosts, who, who_header), _errors_as_json]
    app = web.Application(middlewares=middlewares, client_max_size=_LARGEST)
    app.add_routes([web.get(f"/{name}", _file(name)) for name in _FILES])
    app.add_routes(
        [
            web.get("/", _file("index.html")),
            web.get(HEALTH, server.health),
            web.get("/api/state", server.state),
            web.get("/api/list", server.list),
            web.get("/api/crops", server.crops),
            web.get("/api/picture/{dataset}/{row:[0-9]{1,9}}", server.picture),
            web.get("/api/history", server.history),
            web.post("/api/say", server.say),
            web.post("/api/take-back", server.take_back),
        ]
    )
    app.on_response_prepare.append(add_headers)
    app.on_startup.append(server.look)
    app.on_shutdown.append(server.drain)
    return app


class _Server:
    """The handlers. The store is asked in threads: what it keeps waiting keeps nobody else."""

    def __init__(self, review: Review) -> None:
        self._review = review
        self._readers = ThreadPoolExecutor(_READERS, "reader")
        self._writer = ThreadPoolExecutor(1, "writer")  # so that what is said later comes later
        self._refreshing: asyncio.Future[None] | None = None
        self._refreshed = 0.0

    async def health(self, _: web.Request) -> web.Response:
        """That the server answers; whether the store does is said on the page."""
        return web.Response(text="well\n")

    async def look(self, _: web.Application) -> None:
        """Begin to read the store before anyone asks."""
        self._refresh()

    async def state(self, request: web.Request) -> web.Response:
        """`GET /api/state`: what is known now; the store is asked meanwhile, for the next time."""
        self._refresh()
        return _json(self._review.state(request["who"]))

    async def list(self, request: web.Request) -> web.Response:
        """`GET /api/list?label=…&out=…&split=…&seen=…&order=…`."""
        try:
            wanted = Wanted.model_validate(dict(request.query))
        except ValidationError as error:
            raise _no_sense(error) from error
        response = _json(await self._read(self._review.listed, wanted))
        response.enable_compression()
        return response

    async def crops(self, request: web.Request) -> web.Response:
        """`GET /api/crops?dataset=…&rows=1,2,3`."""
        try:
            rows = [int(row) for row in request.query.get("rows", "").split(",")]
        except ValueError:
            rows = []
        if not 0 < len(rows) <= PAGE or min(rows) < 0:
            raise web.HTTPBadRequest(text=f"rows is a list of 1 to {PAGE} numbers")
        dataset = request.query.get("dataset", "")
        return _json(await self._read(self._review.described, dataset, rows))

    async def picture(self, request: web.Request) -> web.Response:
        """`GET /api/picture/<dataset>/<row>`, with `?small` for a grid."""
        dataset, row = request.match_info["dataset"], int(request.match_info["row"])
        small = "small" in request.query
        data = await self._read(lambda: self._review.picture(dataset, row, small=small))
        kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        kept = {"Cache-Control": f"private, max-age={_KEPT}"}
        return web.Response(body=data, content_type=kind, headers=kept)

    async def history(self, _: web.Request) -> web.Response:
        """`GET /api/history`."""
        return _json(await self._read(self._review.history))

    async def say(self, request: web.Request) -> web.Response:
        """`POST /api/say`: answered when it is in the store."""
        said = await _message(request, Say)
        await self._write(self._review.say, said, request["who"])
        return _json(await self._read(self._review.described, said.dataset, said.rows))

    async def take_back(self, request: web.Request) -> web.Response:
        """`POST /api/take-back`: likewise."""
        which = await _message(request, TakeBack)
        return _json(await self._write(self._review.take_back, which, request["who"]))

    async def drain(self, _app: web.Application) -> None:
        """Write what has come, if the store takes it soon."""
        written = asyncio.get_running_loop().run_in_executor(self._writer, lambda: None)
        await asyncio.wait([written], timeout=_DRAIN)
        if not written.done():
            print("the store did not take all that was said; no page was told so", file=sys.stderr)

    async def _write(self, work: Callable[..., T], *given: object) -> T:
        loop = asyncio.get_running_loop()
        # A page that is closed meanwhile has said it all the same.
        return await asyncio.shield(loop.run_in_executor(self._writer, work, *given))

    async def _read(self, work: Callable[..., T], *given: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, work, *given)

    def _refresh(self) -> None:
        """Ask the store, unless it is being asked or has just been."""
        if self._refreshing is not None and self._refreshing.done():
            done, self._refreshing, self._refreshed = self._refreshing, None, time.monotonic()
            done.result()  # a fault of ours is nobody's secret; the next time may do
        if self._refreshing is None and time.monotonic() >= self._refreshed + _FRESH:
            loop = asyncio.get_running_loop()
            self._refreshing = loop.run_in_executor(self._readers, self._review.refresh)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GoneError as error:
        return web.json_response({"error": str(error)}, status=410)
    except RefusedError as error:
        return web.json_response({"error": str(error)}, status=409)
    except CorallineError as error:
        return web.json_response({"error": str(error)}, status=503)


async def _message(request: web.Request, kind: type[R]) -> R:
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        raise _no_sense(error) from error


def _no_sense(error: ValidationError) -> web.HTTPBadRequest:
    first = error.errors()[0]
    return web.HTTPBadRequest(text=": ".join((*map(str, first["loc"]), first["msg"])))


def _file(name: str) -> Handler:
    """A handler for a file of the page."""

    async def send(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(_PAGE / name, headers={"Cache-Control": "no-cache"})

    return send


def _json(report: Report) -> web.Response:
    return web.Response(text=report.model_dump_json(), content_type="application/json")
