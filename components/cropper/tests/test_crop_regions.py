"""Where crops lie."""

import cv2
import numpy as np
import pytest
from coralline_cropper.cut import Cropper, region_around
from coralline_cropper.settings import CropSettings
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.integers(1, 3000)
PLACES = st.floats(-5000, 5000)
SIDES = st.floats(0, 5000)
MARGINS = st.floats(0, 2)


@given(PLACES, PLACES, SIDES, SIDES, MARGINS, SIZES, SIZES)
def test_a_region_lies_inside_its_photo_and_has_an_area(x, y, w, h, margin, width, height):
    region = region_around((x, y, w, h), margin, width, height)
    if region is not None:
        assert 0 <= region.left < region.left + region.width <= width
        assert 0 <= region.top < region.top + region.height <= height


@given(st.data(), SIZES, SIZES, MARGINS)
def test_a_box_inside_its_photo_is_inside_its_region(data, width, height, margin):
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    region = region_around((left, top, w, h), margin, width, height)
    assert region.left <= left
    assert region.top <= top
    assert region.left + region.width >= left + w
    assert region.top + region.height >= top + h


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    PLACES,
    PLACES,
    SIDES,
    SIDES,
    MARGINS,
    st.integers(16, 64),
)
def test_every_region_can_be_cut(width, height, x, y, w, h, margin, size):
    pixels = np.zeros((height, width, 3), np.uint8)
    cropper = Cropper(CropSettings(mode="whole", size=size))
    box = region_around((x, y, w, h), margin, width, height)
    if box is not None:
        region = cropper.regions(pixels)[0]._replace(box=box)
        assert cropper.cut(pixels, region).pixels.shape == (size, size, 3)


def test_a_region_is_square_with_its_margin_where_the_photo_allows():
    assert region_around((100, 100, 50, 40), 0.2, 400, 400) == (90, 85, 70, 70)


def test_a_region_at_the_border_is_clipped():
    assert region_around((-10, 5, 50, 50), 0.2, 400, 45) == (0, 0, 50, 45)


def test_a_box_outside_has_no_region():
    assert region_around((500, 5, 50, 50), 0.2, 400, 400) is None
    assert region_around((10.2, 10.2, 0.1, 0.1), 0, 400, 400) is None


@pytest.mark.parametrize("size", [16, 96, 200])
def test_what_is_cut_is_what_lies_there(size):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[20:80, 40:100] = (10, 200, 90)
    cropper = Cropper(CropSettings(mode="whole", size=size))
    region = cropper.regions(pixels)[0]._replace(box=region_around((40, 20, 60, 60), 0, 160, 120))
    assert (cropper.cut(pixels, region).pixels == (10, 200, 90)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_a_picture_of_any_shape_can_be_searched(shape):
    assert Cropper(CropSettings()).crops(np.zeros((*shape, 3), np.uint8)) == []


@pytest.mark.parametrize("scale", [0.15, 0.5, 1, 5])
def test_a_face_is_found_where_it_is_at_any_size(face, scale):
    portrait = face(3)
    scaled = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cropper = Cropper(CropSettings(min_size=1))
    (at_one,) = cropper.crops(portrait)
    (found,) = cropper.crops(scaled)
    np.testing.assert_allclose(
        np.array(found.region.box) / scale, at_one.region.box, atol=4 / scale + 4
    )
