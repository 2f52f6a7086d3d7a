"""Whether heat lies where the answer is."""

import numpy as np
import pytest
from coralline_converter.gradcam import choose_layer, heat_maps, overlay


def test_the_heat_is_on_the_blob_that_decides(trained):
    held = [(label, rgb) for label, split, rgb in trained.pictures if split == "test"]
    pixels = np.stack([rgb for _, rgb in held])
    classes = np.array([("blue", "red").index(label) for label, _ in held])
    heats = heat_maps(trained.network, choose_layer(trained.network), pixels, classes)
    assert heats.shape == (40, 32, 32)
    assert heats.min() >= 0
    assert heats.max() <= 1
    blobs = _quadrants(np.array([rgb.max(axis=2) for _, rgb in held]))
    assert set(blobs) == {0, 1, 2, 3}
    np.testing.assert_array_equal(_quadrants(heats), blobs)


def test_a_batch_changes_nothing(trained):
    pixels = np.stack([rgb for _, _, rgb in trained.pictures[:33]])
    classes = np.arange(33) % 2
    layer = choose_layer(trained.network)
    together = heat_maps(trained.network, layer, pixels, classes)
    alone = [heat_maps(trained.network, layer, pixels[[i]], classes[[i]])[0] for i in (0, 31, 32)]
    np.testing.assert_allclose(together[[0, 31, 32]], alone, atol=1e-3)


def test_where_nothing_speaks_for_a_class_the_map_is_empty(trained):
    import keras

    deaf = keras.models.clone_model(trained.network)
    deaf.set_weights(trained.network.get_weights())
    deaf.layers[-1].kernel.assign(np.zeros(deaf.layers[-1].kernel.shape))
    pixels = np.stack([rgb for _, _, rgb in trained.pictures[:2]])
    heats = heat_maps(deaf, choose_layer(deaf), pixels, np.array([0, 1]))
    np.testing.assert_array_equal(heats, np.zeros((2, 32, 32)))


def test_a_sure_network_still_says_where(trained):
    import keras

    sure = keras.models.clone_model(trained.network)
    sure.set_weights(trained.network.get_weights())
    sure.layers[-1].kernel.assign(sure.layers[-1].kernel * 100)
    label, _, rgb = next(one for one in trained.pictures if one[1] == "test")
    assert sure(rgb[None].astype("float32")).numpy().max() == 1
    wanted = np.array([("blue", "red").index(label)])
    heats = heat_maps(sure, choose_layer(sure), rgb[None], wanted)
    assert heats.max() > 0.9  # not what rounding leaves of a gradient that vanished
    np.testing.assert_array_equal(_quadrants(heats), _quadrants(rgb.max(axis=2)[None]))


@pytest.mark.parametrize(("side", "cells"), [(96, 6), (128, 8), (224, 7)])
def test_maps_are_taken_where_they_are_fine_enough_and_not_padded(side, cells):
    import keras

    network = keras.applications.MobileNetV2(
        (side, side, 3), alpha=0.35, include_top=False, weights=None
    )
    layer = network.get_layer(choose_layer(network))
    assert layer.output.shape[1:3] == (cells, cells)
    assert "pad" not in layer.name


def test_an_overlay_is_clear_where_it_is_cold():
    rgb = np.full((8, 8, 3), 100, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:, 4:] = 1
    shown = overlay(rgb, heat)
    np.testing.assert_array_equal(shown[:, :4], rgb[:, :4])
    assert (shown[:, 4:, 0].astype(int) > shown[:, 4:, 2]).all()


def _quadrants(maps):
    """The quadrant of each map's greatest sum, 0 to 3, in reading order."""
    half = maps.shape[1] // 2
    sums = maps.reshape(len(maps), 2, half, 2, half).sum(axis=(2, 4), dtype=float)
    return sums.reshape(len(maps), 4).argmax(axis=1)
