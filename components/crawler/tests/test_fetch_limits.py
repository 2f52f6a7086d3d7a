"""What the fetcher takes of an answer: statuses, bytes, pixels, time, and broken HTTP."""

import asyncio
import gzip
import hashlib
import tracemalloc

import pytest
from PIL import Image

# The crawler silences Pillow's warning, which pytest turns on again.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("204 No Content", "http-error"),
        ("206 Partial Content", "http-error"),
        ("300 Multiple Choices", "http-error"),
        ("304 Not Modified", "http-error"),
        ("400 Bad Request", "http-error"),
        ("401 Unauthorized", "refused"),
        ("402 Payment Required", "refused"),
        ("403 Forbidden", "refused"),
        ("404 Not Found", "not-found"),
        ("410 Gone", "not-found"),
        ("418 I'm a teapot", "http-error"),
        ("429 Too Many Requests", "rate-limited"),
        ("451 Unavailable For Legal Reasons", "refused"),
        ("500 Internal Server Error", "server-error"),
        ("503 Service Unavailable", "server-error"),
        ("599 What", "server-error"),
    ],
)
def test_statuses(site, fetch, respond, photo, status, reason):
    body = b"" if status.startswith(("204", "304")) else photo(1)
    site.pages["/1.jpg"] = respond(body, status=status)
    assert fetch(site.url("/1.jpg")) == reason


def test_an_image_is_its_bytes(site, photos, fetch, photo):
    [url] = photos(1)
    image = fetch(url)
    assert image.data == photo(0)
    assert image.sha256 == hashlib.sha256(photo(0)).hexdigest()


def test_the_cap_on_bytes_is_exact(site, photos, fetch, photo):
    [url] = photos(1)
    assert fetch(url, max_bytes=len(photo(0))).data == photo(0)
    assert fetch(url, max_bytes=len(photo(0)) - 1) == "too-large"


def test_what_says_that_it_is_too_large_is_not_read(site, fetch, respond):
    async def waiting(request):
        yield respond(Content_Length=1001)
        await asyncio.sleep(9)

    site.pages["/"] = waiting
    assert fetch(site.url("/"), max_bytes=1000, timeout=2) == "too-large"


@pytest.mark.parametrize("encoding", [None, "chunked"])
def test_an_endless_body_is_read_up_to_the_cap(site, fetch, respond, encoding):
    async def endless(request):
        yield respond(Content_Length=None, Transfer_Encoding=encoding)
        while True:
            yield (b"10000\r\n" + bytes(1 << 16) + b"\r\n") if encoding else bytes(1 << 16)

    site.pages["/"] = endless
    assert fetch(site.url("/"), max_bytes=1_000_000) == "too-large"
    assert site.asked()[0].sent < 16 << 20  # what fits into the buffers on the way


def test_a_body_shorter_than_it_says_is_no_image(site, fetch, respond, photo):
    site.pages["/"] = respond(photo(1), Content_Length=len(photo(1)) + 1)
    assert fetch(site.url("/")) == "connection"


def test_a_body_longer_than_it_says_is_no_image(site, fetch, respond, photo):
    site.pages["/"] = respond(photo(1), Content_Length=len(photo(1)) // 2)
    # What is surplus is the beginning of another answer, and no HTTP.
    assert fetch(site.url("/")) in ("connection", "truncated")


def test_identity_is_asked_for_and_gzip_taken(site, fetch, respond, photo):
    site.pages["/"] = respond(gzip.compress(photo(1)), Content_Encoding="gzip")
    assert fetch(site.url("/")).data == photo(1)
    assert site.asked()[0].headers["accept-encoding"] == "identity"


def test_a_gzip_bomb_is_unpacked_up_to_the_cap(site, fetch, respond):
    bomb = gzip.compress(bytes(128 << 20))
    site.pages["/"] = respond(bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        assert fetch(site.url("/"), max_bytes=1_000_000) == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_pixel_bomb_is_never_decoded(site, fetch, respond, encoded):
    bomb = encoded(Image.new("1", (8_000, 8_000)), "PNG")
    assert len(bomb) < 100_000
    site.pages["/"] = respond(bomb)
    assert fetch(site.url("/")) == "too-many-pixels"


def test_limits_on_pixels_and_sides_are_exact(site, photos, fetch):
    [url] = photos(1)  # of 96 x 72 px
    assert fetch(url, max_pixels=96 * 72, min_side=72).picture.width == 96
    assert fetch(url, max_pixels=96 * 72 - 1) == "too-many-pixels"
    assert fetch(url, min_side=73) == "too-small"


@pytest.mark.parametrize("what", ["connection", "head", "body"])
def test_a_slow_drip_ends(site, fetch, respond, photo, what):
    async def drip(request):
        whole = respond(photo(1))
        head = whole.index(b"\r\n\r\n") + 4
        begun = {"connection": 0, "head": 20, "body": head + 100}[what]
        yield whole[:begun]
        while True:
            await asyncio.sleep(0.05)
            yield b"a" if what != "connection" else b""

    site.pages["/"] = drip
    assert fetch(site.url("/"), timeout=0.4, robots=False) == "timeout"


def test_the_time_of_all_hops_counts(site, photos, fetch, respond):
    photos(1)
    for hop in range(4):
        site.pages[f"/{hop}"] = respond(status="302 Found", Location=f"/{hop + 1}")
    site.pages["/4"] = site.pages["/0.jpg"]
    site.delay = lambda _: 0.3
    assert fetch(site.url("/3"), timeout=1.2, robots=False).sha256
    assert fetch(site.url("/0"), timeout=1.2, robots=False) == "timeout"


def test_waiting_for_a_turn_is_not_the_image_s_time(site, photos, fetch):
    urls = photos(6)
    site.delay = lambda _: 0.2
    outcomes = fetch(*urls, timeout=0.7, per_host=1, robots=False)
    assert "timeout" not in outcomes


BODY = b"\xff\xd8\xff" * 100


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\xff\xfe\r\n\r\n",
        BODY,  # HTTP/0.9
        b"HTTP/1.1 0 No\r\n\r\n",
        b"HTTP/1.1 99999 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 50_000 + b"\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nX-\xff: \x01\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + BODY,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=range(17),
)
def test_broken_http_is_a_reject(site, fetch, answer):
    site.pages["/"] = answer
    assert fetch(site.url("/"), robots=False) in ("connection", "http-error", "too-large")


def test_nobody_there_and_no_tls(site, fetch):
    assert fetch("http://127.0.0.1:1/") == "connection"
    assert fetch(f"https://127.0.0.1:{site.port}/") == "connection"


def test_a_certificate_that_nobody_vouches_for(impostor, fetch):
    # Its error is a ValueError, too; and still not one of the URL's.
    assert fetch(f"https://127.0.0.1:{impostor.port}/1.jpg", robots=False) == "connection"
    assert impostor.requests == []


def test_cookies_are_not_kept(site, photos, fetch, respond):
    photos(1)
    site.pages["/away"] = respond(status="302 Found", Location="/0.jpg", Set_Cookie="a=1; Path=/")
    assert fetch(site.url("/away", "localhost")).sha256
    assert "cookie" not in site.asked("/0.jpg")[0].headers
