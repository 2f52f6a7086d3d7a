"""The demo's site over real HTTP: Openverse's API, and each kind of image as it is meant."""

import io
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

import cv2
import numpy as np
import pytest
from coralline_core.errors import CorallineError
from coralline_demo import faces
from coralline_demo.catalogue import entries
from coralline_demo.site import image_site
from PIL import Image

GOOD = {"photo", "exact-duplicate", "near-duplicate", "two-labels", "no-face", "disallowed", "noai"}


@pytest.fixture(scope="module")
def address():
    with image_site(port=0) as address:
        yield address


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def get(url: str) -> tuple[int, bytes, dict]:
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def find(address: str, query: str, **parameters: object) -> dict:
    text = urllib.parse.urlencode({"q": query, **parameters})
    status, body, _ = get(f"{address}/v1/images/?{text}")
    assert status == 200, body
    return json.loads(body)


def find_all(address: str, query: str) -> list[dict]:
    first = find(address, query)
    pages = range(2, first["page_count"] + 1)
    return first["results"] + [r for n in pages for r in find(address, query, page=n)["results"]]


def kinds(results: list[dict]) -> Counter:
    return Counter(entries()[urllib.parse.urlsplit(r["url"]).path].kind for r in results)


def test_labels_are_those_of_the_list():
    assert len(faces.GLASSES) == 119
    assert min(faces.GLASSES) == 10
    assert max(faces.GLASSES) == 369


@pytest.mark.parametrize(
    ("query", "photos"), [("person with glasses", 119), ("person without glasses", 281)]
)
def test_a_query_finds_its_label(address, query, photos):
    results = find_all(address, query)
    assert kinds(results)["photo"] == photos
    assert len({r["url"] for r in results}) == len(results)
    wearers = {f"/images/person-{i // 10 + 1:02}-{i % 10 + 1:02}.jpg" for i in faces.GLASSES}
    found = {urllib.parse.urlsplit(r["url"]).path for r in results}
    assert len(found & wearers) == (119 if photos == 119 else 0)


def test_both_queries_find_the_photo_with_two_labels(address):
    urls = [
        {r["url"] for r in find_all(address, query)} for query in ("glasses", "no glasses on him")
    ]
    assert [url.rpartition("/")[2] for url in urls[0] & urls[1]] == ["both-21-06.jpg"]


def test_anything_else_finds_nothing(address):
    empty = find(address, "giraffe")
    assert (empty["result_count"], empty["page_count"], empty["results"]) == (0, 0, [])


def test_pages_are_disjoint_and_described(address):
    one, two = (find(address, "person with glasses", page=n, page_size=7) for n in (1, 2))
    assert (two["page"], two["page_size"], two["result_count"]) == (2, 7, 132)
    assert two["page_count"] == 19
    assert not {r["id"] for r in one["results"]} & {r["id"] for r in two["results"]}


@pytest.mark.parametrize(
    ("parameters", "status"),
    [("page_size=21", 401), ("page=8", 404), ("page=0", 404), ("page=x", 400)],
)
def test_requests_that_openverse_refuses(address, parameters, status):
    assert get(f"{address}/v1/images/?q=glasses&{parameters}")[0] == status


def test_a_result_names_the_persons_page(address):
    result = next(r for r in find_all(address, "glasses") if r["url"].endswith("person-02-03.jpg"))
    assert result["foreign_landing_url"] == f"{address}/people/2"
    status, body, _ = get(result["foreign_landing_url"])
    assert (status, body.count(b"<img")) == (200, 10)
    assert (result["width"], result["height"]) == (304, 344)
    assert get(f"{address}/people/41")[0] == 404


def test_every_image_is_what_it_is_meant_to_be(address, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000_000)  # other tests have set it
    for entry in entries().values():
        status, body, headers = get(address + entry.path)
        if entry.kind in GOOD:
            image = Image.open(io.BytesIO(body))
            image.load()
            assert (status, image.format, image.size) == (200, "JPEG", entry.size)
            assert headers["Content-Type"] == "image/jpeg"
        assert ("noai" in headers.get("X-Robots-Tag", "")) == (entry.kind == "noai")
        match entry.kind:
            case "html":
                assert body.startswith(b"<!doctype html>")
                assert headers["Content-Type"] == "image/jpeg"
            case "truncated":
                with pytest.raises(OSError, match="truncated"):
                    Image.open(io.BytesIO(body)).load()
            case "bomb":
                assert len(body) < 100_000
                with pytest.raises(Image.DecompressionBombError):
                    Image.open(io.BytesIO(body))
            case "one-pixel":
                assert Image.open(io.BytesIO(body)).size == (1, 1)
            case "missing":
                assert status == 404
            case "redirect":
                assert (status, headers["Location"]) == (302, "file:///etc/hostname")


def test_duplicates_are_of_a_photo(address):
    bodies = {e.path: get(address + e.path)[1] for e in entries().values() if e.kind == "photo"}
    copies = [e for e in entries().values() if e.kind == "exact-duplicate"]
    assert len(copies) == 4
    for copy in copies:
        assert get(address + copy.path)[1] == bodies[copy.path.replace("repost", "person")]


def test_photos_are_no_near_duplicates_of_each_other():
    hashes = np.array([_phash(faces.photo(i)) for i in range(400)])
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    np.fill_diagonal(distances, 64)
    assert distances.min() > 8


def test_robots_and_what_it_disallows(address):
    assert b"Disallow: /private/" in get(f"{address}/robots.txt")[1]
    assert [e.kind for e in entries().values() if e.path.startswith("/private/")] == ["disallowed"]


def test_stats_count_images_by_kind():
    with image_site(port=0) as address:
        get(f"{address}/images/person-01-01.jpg")
        get(f"{address}/images/person-01-01.jpg")
        get(f"{address}/images/poster.png")
        get(f"{address}/images/never-was.jpg")
        find(address, "glasses")
        stats = json.loads(get(f"{address}/stats")[1])
    assert stats == {"searches": 1, "images": 3, "kinds": {"bomb": 1, "photo": 2}}


def test_the_same_site_twice_on_the_same_port():
    with image_site(port=0) as first:
        body = get(f"{first}/images/person-07-02.jpg")[1]
        port = int(first.rpartition(":")[2])
    with image_site(port) as second:
        assert second == first
        assert get(f"{second}/images/person-07-02.jpg")[1] == body


def test_a_taken_port_is_said_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CorallineError, match=f"port {port}: Address already in use"):
            image_site(port).__enter__()
        command = [sys.executable, "-m", "coralline_demo", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_alone_it_listens_where_it_is_told_and_ends_when_a_container_is_stopped():
    command = [sys.executable, "-m", "coralline_demo", "--port", "0", "--host", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        assert address.startswith("http://0.0.0.0:")
        found = json.loads(
            get(address.replace("0.0.0.0", "localhost") + "/v1/images/?q=glasses")[1]
        )
        assert found["results"][0]["url"].startswith("http://localhost:")
        process.terminate()
        assert process.wait(30) == 0


def _phash(picture) -> np.uint64:
    small = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8]
    return np.packbits(low > np.median(low)).view(np.uint64)[0]
