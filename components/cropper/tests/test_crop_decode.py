"""Every kind of picture that a crawl brings, as a person would see it."""

import io

import cv2
import numpy as np
import pytest
from coralline_cropper.decode import decode_image, encode_png, encode_thumbnail
from PIL import Image

RED, BLUE = (200, 40, 30), (20, 60, 220)


@pytest.fixture(scope="module")
def picture():
    """60 x 40 px, red above, blue below."""
    pixels = np.empty((40, 60, 3), np.uint8)
    pixels[:20], pixels[20:] = RED, BLUE
    return Image.fromarray(pixels)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def looks_right(pixels, top=RED, bottom=BLUE):
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[5, 5, ::-1].astype(int), top, atol=4)
    np.testing.assert_allclose(pixels[-5, -5, ::-1].astype(int), bottom, atol=4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_formats(picture, kind):
    looks_right(decode_image(saved(picture, kind)))


def test_cmyk(picture):
    looks_right(decode_image(saved(picture.convert("CMYK"), "JPEG", quality=95)))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits(picture, suffix):
    deep = np.asarray(picture)[:, :, ::-1].astype(np.uint16) * 257
    looks_right(decode_image(cv2.imencode(suffix, deep)[1].tobytes()))


def test_sixteen_bits_of_gray():
    deep = np.full((40, 60), 200 * 257, np.uint16)
    pixels = decode_image(saved(Image.fromarray(deep), "PNG"))
    assert pixels.shape == (40, 60, 3)
    assert (pixels == 200).all()


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})]
)
def test_the_first_frame_of_an_animation(picture, kind, options):
    other = Image.new("RGB", picture.size, "white")
    looks_right(decode_image(saved(picture, kind, save_all=True, append_images=[other], **options)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "shape", "top", "bottom"),
    [(3, (40, 60, 3), BLUE, RED), (6, (60, 40, 3), BLUE, RED), (8, (60, 40, 3), RED, BLUE)],
)
def test_turned_by_exif(picture, kind, orientation, shape, top, bottom):
    exif = Image.Exif()
    exif[0x112] = orientation
    pixels = decode_image(saved(picture, kind, exif=exif, quality=95))
    assert pixels.shape == shape
    # After a quarter turn the colours lie side by side: the corners still tell them apart.
    looks_right(pixels, top, bottom)


def test_transparency_and_palettes(picture):
    clear = picture.copy()
    clear.putalpha(128)
    looks_right(decode_image(saved(clear, "PNG")))
    looks_right(decode_image(saved(picture.quantize(), "PNG")))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_half_a_file_is_no_picture(kind):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    data = saved(Image.fromarray(noise), kind)
    assert decode_image(data) is not None
    assert decode_image(data[: len(data) // 2]) is None


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"\xff\xd8\xff", bytes(1000)])
def test_other_bytes_are_no_picture(data):
    assert decode_image(data) is None


def test_png_loses_nothing():
    noise = np.random.default_rng(0).integers(0, 255, (33, 21, 3), np.uint8)
    assert (decode_image(encode_png(noise)) == noise).all()


@pytest.mark.parametrize(
    ("shape", "small"), [((500, 1000), (48, 96)), ((50, 20), (50, 20)), ((1, 5000), (1, 96))]
)
def test_a_thumbnail_is_small(shape, small):
    pixels = decode_image(encode_thumbnail(np.zeros((*shape, 3), np.uint8)))
    assert pixels.shape == (*small, 3)
