"""The server as a process: from its port to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web
from coralline_core.errors import CorallineError

from coralline_reviewer.review import Review
from coralline_reviewer.web import application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coralline_core.store import Store

    from coralline_reviewer.settings import ReviewSettings

HOST = "127.0.0.1"
PORT = 8080


def serve(
    settings: ReviewSettings,
    store: Store,
    *,
    host: str = HOST,
    port: int = PORT,
    allow_hosts: Iterable[str] = (),
    who: str | None = None,
    who_header: str | None = None,
    ready: Callable[[str], object] = lambda _: None,
) -> NoReturn:
    """Serve the page until SIGTERM or Ctrl-C; then the process ends, with 0.

    What was sent by then is written first, if the store takes it within seconds.

    Args:
        settings: The project's name and labels.
        store: The project's.
        host: The address to listen on: loopback, or in a container `0.0.0.0`.
        port: Where to listen; 0 takes any free port.
        allow_hosts: Names by which the page is reached, beside those of this machine.
        who: By which name corrections are kept.
        who_header: The header in which a proxy says who asks, in place of `who`.
        ready: Told the page's address.

    Raises:
        CorallineError: The port is taken, there is no such address, or a name is none.
    """
    app = application(Review(settings, store), allow_hosts, who, who_header)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.getaddrinfo(host, None, family)  # which says what is wrong with a name
        listener = socket.create_server((host, port), family=family)
    except socket.gaierror as error:
        what = f"cannot listen: {error.strerror}"
        fix = "With --host, name an address of this machine."
        raise CorallineError(what, where=f"{host}:{port}", fix=fix) from error
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        raise CorallineError(
            f"cannot listen: {os.strerror(number) if number else error}",
            where=f"{host}:{port}",
            fix="Name another port with --port, or end the program that has this one.",
        ) from error
    asyncio.run(_run(app, listener, ready))
    # Threads may be waiting for a store that does not answer, for minutes. A correction is whole in
    # the store or not there, and the page has been told of none that is not.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _run(
    app: web.Application, listener: socket.socket, ready: Callable[[str], object]
) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    host, port = listener.getsockname()[:2]
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    await ended.wait()
    await runner.cleanup()
