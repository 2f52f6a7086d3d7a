"""Who may talk to the server: this page, under a name that is its own, and nobody else's page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Middleware

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEALTH = "/healthz"

_LOCAL = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LONGEST_NAME = 200


def guard(hosts: Iterable[str], who: str | None, who_header: str | None) -> Middleware:
    """A middleware that lets through what comes from the page itself.

    A page of another site may have a browser send requests here, also under a name of its own that
    it lets point to this address. So the name that was asked for must be one of ours, and what
    changes something must be JSON that a page of this very name has sent; no other site's may.

    Args:
        hosts: Names by which the server is reached, beside those of this machine.
        who: Who everybody here is.
        who_header: The header in which a proxy says who asks; whoever comes without it is refused.

    Raises:
        CorallineError: A host is no name.
    """
    ours = {*_LOCAL, *map(_allowed, hosts)}

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != HEALTH:  # a probe asks by the pod's address
            _check_host(request, ours)
            _check_source(request)
            request["who"] = _named(request, who_header) if who_header else who
        return await handler(request)

    return guarded


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Have browsers load nothing from elsewhere, and show none of it elsewhere."""
    response.headers.update(_HEADERS)


def _allowed(host: str) -> str:
    name = _name_of(host)
    if not name or set(host) & set("/@*? "):
        fix = "Name it as in review.example.org, with no https:// before it."
        raise CorallineError(f"{host!r} is no name of a host", where="--allow-host", fix=fix)
    return name


def _name_of(netloc: str) -> str:
    """The name in `name:port`, in small letters; empty where there is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _check_host(request: web.Request, ours: set[str]) -> None:
    if _name_of(request.host) not in ours:
        raise web.HTTPMisdirectedRequest(
            text=f"this server is not {request.host}. Where it should be: --allow-host NAME"
        )


def _check_source(request: web.Request) -> None:
    origin = request.headers.get("Origin")
    # As it is written, but for the scheme: a proxy may have had TLS.
    if origin is not None and origin.partition("://")[2] != request.host:
        raise web.HTTPForbidden(text="another site's page may not talk to this server")
    if request.method not in ("GET", "HEAD") and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="JSON alone is taken")


def _named(request: web.Request, header: str) -> str:
    name = "".join(filter(str.isprintable, request.headers.get(header, ""))).strip()
    if not name:
        raise web.HTTPForbidden(text=f"nobody is named in {header}: come through the proxy")
    return name[:_LONGEST_NAME]
