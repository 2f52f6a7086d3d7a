"""A web server on loopback that answers whatever a test wants, photos, and crawls of them."""

import asyncio
import csv
import io
import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs

import numpy as np
import pytest
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_crawler import fetch as fetch_module
from coralline_crawler.crawl import crawl as crawl_into
from coralline_crawler.fetch import Fetcher
from coralline_crawler.rejects import RejectedError
from coralline_crawler.settings import CrawlSettings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

LABELS = {"cat": {"queries": ["a cat"]}, "dog": {"queries": ["a dog"]}}
HOSTS = ("127.0.0.1", "127.0.0.2")


def _respond(body=b"", status="200 OK", **headers):
    """An answer; a header's name has `_` for `-`, and None leaves one out."""
    headers = {"Content_Length": len(body), "Connection": "close", **headers}
    lines = (f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items() if v is not None)
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode("latin-1") + body


class Site:
    """A server on two addresses of loopback, one port.

    `pages` has by path the bytes to send, head and all; or a list of them, one a request, of which
    the last stays; or a function of the request that returns bytes, or yields them as it likes.
    """

    def __init__(self, tls=None):
        self.pages = {}
        self._tls = tls
        self.requests = []
        self.delay = lambda _: 0.0
        self.open = self.most_open = 0
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)))
        self._thread.start()
        started.wait()

    def url(self, path, host=HOSTS[0]):
        return f"http://{host}:{self.port}{path}"

    def asked(self, path=None):
        """The requests for a path, or all but those for robots.txt."""
        return [r for r in self.requests if (r.path == path if path else r.path != "/robots.txt")]

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self, started):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, HOSTS[0], 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        other = await asyncio.start_server(self._answer, HOSTS[1], self.port)
        started.set()
        await self._stop.wait()
        server.close()
        other.close()

    async def _answer(self, reader, writer):
        try:
            method, target, _ = (
                # A greeting of TLS has a line's end by chance only.
                (await asyncio.wait_for(reader.readline(), 2)).decode("latin-1").split()
            )
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            path, _, query = target.partition("?")
            request = SimpleNamespace(
                method=method,
                path=path,
                query=query,
                headers={k.lower(): v for k, v in (line.split(": ", 1) for line in lines if line)},
                address=writer.get_extra_info("sockname")[0],
                time=time.monotonic(),
                sent=0,
            )
            self.requests.append(request)
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                await asyncio.sleep(self.delay(path))
                async for data in self._parts(request):
                    writer.write(data)
                    await writer.drain()
                    request.sent += len(data)
            finally:
                self.open -= 1
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            pass  # the client has gone, or speaks TLS
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    async def _parts(self, request):
        page = self.pages.get(request.path, _respond(status="404 Not Found"))
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        if callable(page):
            page = page(request)
        if isinstance(page, bytes):
            yield page
        else:
            async for data in page:
                yield data


@pytest.fixture
def site():
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def impostor(tmp_path):
    """A site whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOSTS[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "impostor.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    site = Site(tls)
    yield site
    site.stop()


@pytest.fixture(scope="session")
def respond():
    return _respond


def _picture(seed, width=96, height=72):
    """Clouds of colour: as smooth as a photo, and other ones for every seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def _encoded(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _photo(seed, width=96, height=72, kind="JPEG", **options):
    return _encoded(_picture(seed, width, height), kind, **options)


@pytest.fixture(scope="session")
def picture():
    return _picture


@pytest.fixture(scope="session")
def encoded():
    return _encoded


@pytest.fixture(scope="session")
def photo():
    return _photo


def _settings(**options):
    return CrawlSettings(**{"labels": LABELS, "allow_private_addresses": True, **options})


@pytest.fixture
def quick(monkeypatch):
    """Retries that wait for next to nothing."""
    monkeypatch.setattr(fetch_module, "_BACKOFF", 0.01)


async def _outcome(fetcher, url):
    try:
        return await fetcher.image(url)
    except RejectedError as reject:
        return reject.reason


@pytest.fixture
def fetch():
    """Fetches URLs at once with one fetcher: an image of each, or the reason why not."""

    def fetch(*urls, **options):
        async def together():
            async with Fetcher(_settings(**{"retries": 0, **options})) as fetcher:
                return await asyncio.gather(*(_outcome(fetcher, url) for url in urls))

        outcomes = asyncio.run(together())
        return outcomes if len(urls) != 1 else outcomes[0]

    return fetch


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def listed(tmp_path):
    """Writes a list of URLs, given by label, and returns the source that reads it."""

    def write(**urls):
        path = tmp_path / "urls.csv"
        with path.open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["label", "url"])
            lines.writerows((label, url) for label in urls for url in urls[label])
        return {"type": "urls", "path": str(path)}

    return write


@pytest.fixture
def photos(site):
    """Puts photos onto the site, from the first seed, and returns their URLs."""

    def put(count, first=0):
        urls = []
        for seed in range(first, first + count):
            site.pages[f"/{seed}.jpg"] = _respond(_photo(seed))
            urls.append(site.url(f"/{seed}.jpg"))
        return urls

    return put


@pytest.fixture
def crawl(store):
    """Crawls into the store: the dataset, the report, the rows, the warnings."""

    def crawl(*sources, into=store, **options):
        heard = []
        settings = _settings(sources=sources, **{"retries": 0, **options})
        dataset, report = crawl_into(settings, into, Progress("crawl", heard.append))
        warnings = [event.message for event in heard if event.event == "warning"]
        return SimpleNamespace(
            dataset=dataset,
            report=report,
            rows=list(dataset.iter_rows(into)),
            # That private addresses are allowed is said in every crawl of these tests.
            warnings=[text for text in warnings if "private addresses" not in text],
        )

    return crawl


@pytest.fixture
def searched(site):
    """Lets the site answer Openverse's queries, by their last word, with works page by page.

    A work is a URL, or a mapping as Openverse has it.
    """

    def searched(page_size=20, **works):
        def answer(request):
            asked = {key: value for key, [value] in parse_qs(request.query).items()}
            found = works.get(asked["q"].split()[-1], [])
            size = int(asked["page_size"])
            start = (int(asked["page"]) - 1) * size
            results = [
                {"url": work} if isinstance(work, str) else work
                for work in found[start : start + size]
            ]
            page_count = -(-len(found) // size)
            if start and not results:
                return _respond(status="404 Not Found")
            return _respond(json.dumps({"page_count": page_count, "results": results}).encode())

        site.pages["/v1/images/"] = answer
        return {"type": "openverse", "url": site.url("/v1/images/"), "page_size": page_size}

    return searched
