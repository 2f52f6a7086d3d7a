"""An image server that is faster than what it measures: JPEGs from memory, keep-alive, latency.

`python -m benchmarks.server COUNT LATENCY_MS` prints its port, and serves until its stdin ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE = (375, 500)  # height, width in px: 66 KB as JPEG, like the photos of a search engine


def jpeg(seed: int) -> bytes:
    """A picture of its own: soft shapes under a grain that JPEG cannot compress away."""
    random = np.random.default_rng(seed)
    shapes = cv2.resize(random.integers(0, 256, (9, 12, 3), np.uint8), SIDE[::-1])
    grain = random.normal(0, 17, (*SIDE, 3))
    picture = np.clip(shapes + grain, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 84])[1])


class Images(asyncio.Protocol):
    """HTTP/1.1, as much of it as a client that fetches images needs."""

    def __init__(self, images: list[bytes], latency: float) -> None:
        self._images = images
        self._latency = latency
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request, after the latency."""
        *requests, self._held = (self._held + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1]
            asyncio.get_running_loop().call_later(self._latency, self._answer, path)

    def _answer(self, path: bytes) -> None:
        name = path.rpartition(b"/")[2].removesuffix(b".jpg")
        if name.isdigit() and int(name) < len(self._images):
            body = self._images[int(name)]
            head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        else:
            body, head = b"", b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write(head % len(body) + body)


async def serve(count: int, latency: float) -> None:
    """Serve `count` images under /0.jpg and on, until stdin ends."""
    images = [jpeg(seed) for seed in range(count)]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Images(images, latency), "0.0.0.0", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def serving(count: int, latency_ms: int) -> Iterator[list[str]]:
    """The URLs of `count` images, spread over eight hosts as search results are."""
    command = [sys.executable, "-m", "benchmarks.server", str(count), str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield [f"http://127.0.0.{1 + n % 8}:{port}/{n}.jpg" for n in range(count)]
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
