"""A proxy in front of an object store that answers wrongly, or not at all, as a test wishes."""

import asyncio
import contextlib
import enum
import random
import re
import socket
import struct
import threading
from collections import Counter
from urllib.parse import urlsplit


class Fault(enum.Enum):
    UNAVAILABLE = "503, and the request goes nowhere"
    FORBIDDEN = "403, and the request goes nowhere"
    RESET = "the connection is reset before the request is read"
    LOST = "the store does what it is asked, and the connection is reset before the answer"
    BROKEN = "the connection is reset in the middle of the answer's body"
    FLIPPED = "a bit of the answer's body is changed"
    SPOILT = "a bit of the request's body is changed"


PASSING = (Fault.UNAVAILABLE, Fault.RESET, Fault.LOST, Fault.BROKEN)
"""Those that another try gets past."""


class FaultyProxy:
    """Forwards each request to a server, over a connection of its own, but for the faults.

    `fault` is asked for each request's method and path, and says which fault befalls it, or None;
    `befallen` counts them.
    """

    def __init__(self, server):
        self._server = urlsplit(server).netloc
        self.fault = lambda method, path: None
        self.befallen = Counter()
        self._serving = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self):
        return f"http://{self._host}"

    def one_in_five(self, seed=1):
        """Let one request in five, by chance, meet a fault that passes."""
        chance = random.Random(seed)
        self.fault = lambda *_: chance.choice(PASSING) if chance.random() < 0.2 else None

    def __enter__(self):
        self._thread.start()
        serving = asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self._listener = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self._host = "{}:{}".format(*self._listener.sockets[0].getsockname())
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader, writer):
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader, writer):
        ended = (OSError, asyncio.IncompleteReadError)
        with contextlib.suppress(*ended), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            fault = self.fault(method, path)
            if fault:
                self.befallen[fault] += 1
            if fault is Fault.RESET:
                _reset(writer)
            elif fault in (Fault.UNAVAILABLE, Fault.FORBIDDEN):
                await _refuse(fault, head, reader, writer)
            else:
                await self._forward(fault, head, reader, writer)

    async def _forward(self, fault, head, reader, writer):
        host, port = self._server.split(":")
        answers, server = await asyncio.open_connection(host, port)
        sending = asyncio.create_task(self._send(fault, head, reader, server))
        try:
            # An interim answer, such as 100 Continue, comes before the one that counts.
            while (answer := await answers.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 1"):
                writer.write(answer)
            answer = self._readdress(answer)
            if fault in (None, Fault.SPOILT) and b"application/json" not in answer:
                writer.write(answer)
                while data := await answers.read(1 << 18):
                    writer.write(data)
                    await writer.drain()
                return
            body = bytearray(self._readdress(await answers.read()))
            if fault is Fault.LOST:
                _reset(writer)
                return
            if fault is Fault.FLIPPED and body:
                body[len(body) // 2] ^= 1
            writer.write(answer + body[: len(body) // 2 if fault is Fault.BROKEN else None])
            await writer.drain()
            if fault is Fault.BROKEN:
                _reset(writer)
        finally:
            sending.cancel()
            server.close()

    def _readdress(self, said):
        """Let the links in what a server says of itself lead here."""
        assert len(self._server) == len(self._host)
        return said.replace(self._server.encode(), self._host.encode())

    async def _send(self, fault, head, reader, server):
        head = re.sub(rb"\r\nConnection: [^\r]*", b"", head, flags=re.IGNORECASE)
        server.write(head[:-2] + b"Connection: close\r\n\r\n")
        length, sent = _length(head), 0
        while data := await reader.read(min(length - sent, 1 << 18)):
            if fault is Fault.SPOILT and 0 <= (middle := length // 2 - sent) < len(data):
                data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            sent += len(data)
            server.write(data)
            await server.drain()


async def _refuse(fault, head, reader, writer):
    if b"100-continue" not in head:
        await reader.readexactly(_length(head))  # else the answer may be lost with the connection
    status = fault.value.partition(",")[0].encode()
    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
    if status != b"403":
        body = b""
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    writer.write(b"HTTP/1.1 " + status + b" No\r\n" + length + body)
    await writer.drain()


def _length(head):
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


def _reset(writer):
    """End a connection as a dying machine's neighbour sees it: with RST, not FIN."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
