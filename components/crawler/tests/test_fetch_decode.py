"""Bytes to pictures: what is one, how large it is shown, and what it looks like."""

import io
import random
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from coralline_crawler.decode import inspect_image, perceptual_hash
from coralline_crawler.rejects import RejectedError
from PIL import Image

# The crawler silences Pillow's warning, which pytest turns on again.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "AVIF": "avif",
}
ORIENTATION = 0x0112


def inspect(data, max_pixels=50_000_000, min_side=32):
    try:
        return inspect_image(data, max_pixels, min_side)
    except RejectedError as reject:
        return reject.reason


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("size", [(96, 72), (33, 40), (32, 300), (700, 500)])
def test_formats(photo, kind, size):
    found = inspect(photo(1, *size, kind=kind))
    assert found[:3] == (SUFFIXES[kind], *size)


def test_the_suffix_is_of_the_bytes_whatever_the_url_and_the_header_say(
    site, fetch, respond, photo
):
    site.pages["/1.jpg"] = respond(photo(1, kind="WEBP"), Content_Type="image/jpeg")
    site.pages["/2"] = respond(photo(2), Content_Type="text/html")
    images = fetch(site.url("/1.jpg"), site.url("/2"))
    assert [image.picture.suffix for image in images] == ["webp", "jpg"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not-an-image"),
        (b"<!doctype html><title>404</title>", "not-an-image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not-an-image"),
        (b"\xff\xd8\xff", "not-an-image"),
        (b"GIF89a", "not-an-image"),
    ],
)
def test_what_is_no_image(site, fetch, respond, data, reason):
    site.pages["/1.jpg"] = respond(data, Content_Type="image/jpeg")
    assert fetch(site.url("/1.jpg")) == reason


@pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM", "PDF", "TGA"])
def test_formats_that_later_steps_do_not_read_are_none(photo, kind):
    assert inspect(photo(1, kind=kind)) == "not-an-image"


def test_a_tracking_pixel_is_too_small(photo, site, fetch, respond):
    site.pages["/"] = respond(photo(1, 1, 1, "GIF"))
    assert fetch(site.url("/")) == "too-small"


@pytest.mark.parametrize("size", [(96, 72), (640, 480)])
@pytest.mark.parametrize(
    "how",
    [
        {"kind": "JPEG"},
        {"kind": "JPEG", "progressive": True},
        {"kind": "PNG"},
        {"kind": "WEBP"},
        {"kind": "WEBP", "lossless": True},
        {"kind": "GIF"},
        {"kind": "BMP"},
        {"kind": "AVIF"},
    ],
    ids=str,
)
def test_a_truncated_file_is_none_wherever_it_ends(photo, how, size):
    whole = photo(1, *size, **how)
    assert not isinstance(inspect(whole), str)
    ends = [*range(0, len(whole), max(1, len(whole) // 40)), *range(len(whole) - 9, len(whole))]
    for end in ends:
        assert inspect(whole[:end]) in ("truncated", "not-an-image")
    assert inspect(whole[:-5]) == "truncated"


def test_a_cmyk_jpeg_is_taken(picture, encoded):
    assert inspect(encoded(picture(1).convert("CMYK")))[:3] == ("jpg", 96, 72)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_mode_of_png_is_taken(picture, encoded, mode):
    assert inspect(encoded(picture(1).convert(mode), "PNG"))[:3] == ("png", 96, 72)


def test_a_16_bit_png_is_taken_and_looks_the_same(picture, encoded):
    gray = np.asarray(picture(1).convert("L"))
    deep = inspect(encoded(Image.fromarray(gray.astype(np.uint16) * 257), "PNG"))
    assert (deep.phash ^ inspect(encoded(Image.fromarray(gray), "PNG")).phash).bit_count() <= 2


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_taken_and_looks_like_its_first_frame(photo, picture, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    still = inspect(photo(1, kind=kind, **options))
    frames = [picture(2), picture(3)]
    moving = inspect(photo(1, kind=kind, save_all=True, append_images=frames, **options))
    assert moving[:3] == still[:3]
    assert (moving.phash ^ still.phash).bit_count() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_width_and_height_are_as_shown(photo, kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = photo(1, kind=kind, exif=exif)
    turned = orientation in (5, 6, 7, 8)
    found = inspect(data)
    assert (found.width, found.height) == ((72, 96) if turned else (96, 72))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (found.height, found.width)


def test_the_hash_is_of_the_picture_as_shown(picture, encoded):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = inspect(encoded(picture(1).transpose(Image.Transpose.ROTATE_90), exif=exif))
    assert (turned.phash ^ inspect(encoded(picture(1))).phash).bit_count() <= 2


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_no_reason(photo):
    whole = photo(1)
    for exif in (b"Exif\0\0junk", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        assert inspect(whole[:2] + segment + whole[2:])[:3] == ("jpg", 96, 72)
    assert not isinstance(inspect(png(64, 64, chunk(b"eXIf", b"junk"), pixels=bytes(65 * 64))), str)


def chunk(kind, data, length=None):
    size = struct.pack(">I", len(data) if length is None else length)
    return size + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks, pixels=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(pixels))
    parts = (chunk(b"IHDR", header), *chunks, data, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


INSPECT = """
import resource, sys
from coralline_crawler.decode import inspect_image
from coralline_crawler.rejects import RejectedError

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

data, before = sys.stdin.buffer.read(), peak()
try:
    inspect_image(data, 50_000_000, 32)
    print("kept")
except RejectedError as reject:
    print(reject.reason)
print(peak() - before)
"""


def inspect_apart(data):
    """The outcome, and by how many bytes a process of its own grew: decoders ask not Python."""
    process = subprocess.run(
        [sys.executable, "-c", INSPECT], input=data, capture_output=True, check=True
    )
    outcome, grown = process.stdout.decode().split()
    return outcome, int(grown)


def claiming(whole, kind, length):
    """A PNG of which a chunk claims another length than it has."""
    at = whole.index(kind) - 4
    return whole[:at] + struct.pack(">I", length) + whole[at + 4 :]


def gif(width, height):
    """A GIF of two frames that are each to be wiped away."""
    frame = b"\x21\xf9\x04\x08\0\0\0\0\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0)
    header = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0)
    return header + b"\0\0\0\xff\xff\xff" + (frame + b"\x02\x02\x4c\x01\0") * 2 + b"\x3b"


BOMBS = {
    "pixels": (png(20_000, 20_000, pixels=bytes(9)), "too-many-pixels"),
    # 84 bytes, for which OpenCV filled 4 GB with zeros.
    "chunk": (claiming(png(64, 64, pixels=bytes(65 * 64)), b"IDAT", 0xF0000000), "truncated"),
    # Which Pillow decoded to look for EXIF, before any limit was held against it: 10 GB.
    "tall": (png(64, 1 << 30, pixels=bytes(65 * 64)), "too-many-pixels"),
    "gif": (gif(60_000, 60_000), "too-many-pixels"),
    "text": (png(64, 64, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(256 << 20)))), "truncated"),
    "icc": (png(64, 64, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(256 << 20)))), "truncated"),
}


@pytest.mark.parametrize(("bomb", "reason"), BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_gets_no_memory(bomb, reason):
    assert len(bomb) < 1 << 20
    outcome, grown = inspect_apart(bomb)
    assert outcome == reason
    assert grown < 64 << 20


def test_exif_that_opencv_does_not_read_turns_nothing():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = exif.tobytes()
    profile = f"\nexif\n{len(data):8}\n{data.hex()}\n".encode()
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    whole = png(64, 48, text, pixels=bytes(65 * 48))
    shown = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (48, 64)
    assert inspect(whole)[1:3] == (64, 48)


def test_a_jpeg_that_is_drawn_again_and_again_is_not_waited_for(photo):
    whole = photo(1, 1000, 1000, progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    assert not isinstance(inspect(whole), str)
    assert not isinstance(inspect(whole[:-2] + scan * 9 + whole[-2:]), str)
    assert inspect(whole[:-2] + scan * 100 + whole[-2:]) == "too-many-pixels"


def test_bytes_after_a_png_are_no_reason():
    assert not isinstance(inspect(png(64, 64, pixels=bytes(65 * 64)) + b"\xff" * 100), str)


@pytest.mark.parametrize(
    "data",
    [
        png(0, 0),
        png(0xFFFFFFFF, 0xFFFFFFFF),  # Pillow: OverflowError
        png(64, 64),  # no pixels
        png(64, 64, chunk(b"IHDR", struct.pack(">IIBBBBB", 9999, 9999, 8, 0, 0, 0, 0))),
    ],
    ids=["empty", "negative", "hollow", "two headers"],
)
def test_an_odd_png_is_a_reject(data):
    assert isinstance(inspect(data), str)


@pytest.mark.parametrize("size", [((1 << 20) + 1, 40), (40, (1 << 20) + 1)])
def test_a_side_too_long_for_opencv_is_a_reject(size):
    # Within `max_pixels`, but OpenCV raises over it, and later steps read with that.
    file = io.BytesIO()
    Image.new("1", size).save(file, "BMP")
    assert inspect(file.getvalue()) == "too-many-pixels"


@pytest.mark.parametrize("kind", SUFFIXES)
def test_no_damage_crashes(photo, kind):
    whole = photo(1, kind=kind)
    damage = random.Random(kind)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(damage.randint(1, 6)):
            at = damage.randrange(damage.choice((200, len(data))))
            data[at % len(data)] = damage.choice((0, 127, 128, 255, damage.randrange(256)))
        inspect(bytes(data))


def reference(image):
    """The pHash as imagehash computes it, with Pillow's resizing and a DCT written out."""
    small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    k, n = np.arange(32)[:, None], np.arange(32)[None, :]
    basis = 2 * np.cos(np.pi * k * (2 * n + 1) / 64)
    low = (basis @ small @ basis.T)[:8, :8]
    return int("".join(str(int(bit)) for bit in (low > np.median(low)).flatten()), 2)


def distance(one, other):
    return (one ^ other).bit_count()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("size", [(640, 480), (96, 72), (200, 500), (32, 32)])
def test_the_hash_is_phash_but_for_the_filter(picture, encoded, seed, size):
    image = picture(seed, *size)
    ours = perceptual_hash(image.convert("L"))
    assert distance(ours, reference(image)) <= 4
    assert distance(inspect(encoded(image, "PNG")).phash, reference(image)) <= 4


@pytest.mark.parametrize("seed", range(10))
def test_without_resizing_the_hash_is_exactly_phash(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    image = Image.fromarray(noise)
    assert perceptual_hash(image) == reference(image)


@pytest.mark.parametrize("seed", range(10))
def test_the_same_photo_again_looks_the_same(picture, encoded, seed):
    image = picture(seed, 640, 480)
    before = inspect(encoded(image, quality=95)).phash
    smaller = image.resize((320, 240), Image.Resampling.BICUBIC)
    assert distance(before, inspect(encoded(image, quality=40)).phash) <= 6
    assert distance(before, inspect(encoded(smaller, quality=90)).phash) <= 6
    assert distance(before, inspect(encoded(image, "WEBP")).phash) <= 6
    brighter = Image.eval(image, lambda value: min(255, value + 10))
    assert distance(before, inspect(encoded(brighter, quality=90)).phash) <= 6


def test_other_photos_look_different(photo):
    hashes = [inspect(photo(seed)).phash for seed in range(40)]
    pairs = [(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distance(a, b) for a, b in pairs) > 6
