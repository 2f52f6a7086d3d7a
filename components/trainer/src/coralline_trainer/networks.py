"""The networks. Each is one flat functional graph from raw pixels to probabilities.

Flat, so that the converter can look at any layer; from raw pixels, because the rescaling is inside:
what a device reads from its camera goes in as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coralline_core.errors import CorallineError

from coralline_trainer.weights import PACKAGED_ALPHA, load_imagenet

if TYPE_CHECKING:
    from coralline_trainer.settings import AugmentationSettings, ModelSettings

FEATURES = "features"
"""The name of the layer whose output the last layer classifies."""

# Expansion, channels, repeats, stride of the inverted residuals of `small_mobilenet`.
_SMALL_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 2, 1),
    (6, 64, 2, 2),
    (6, 96, 2, 1),
    (6, 160, 2, 2),
)


def build(settings: ModelSettings, labels: int) -> Any:
    """Build a network.

    Args:
        settings: Which one.
        labels: How many probabilities it gives.

    Returns:
        A Keras model: float32 (batch, size, size, 3), RGB, 0 to 255, to float32 (batch, labels),
        each row a softmax.

    Raises:
        CorallineError: The pretrained weights cannot be had.
    """
    import keras

    image = keras.Input((settings.size, settings.size, 3), name="image")
    pixels = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    body = _mobilenet_v2 if settings.name == "mobilenet_v2" else _small_mobilenet
    maps = body(settings, pixels)
    features = keras.layers.GlobalAveragePooling2D(name=FEATURES)(maps)
    kept = keras.layers.Dropout(settings.dropout, name="dropout")(features)
    dense = keras.layers.Dense(labels, activation="softmax", name="probabilities")
    return keras.Model(image, dense(kept), name=settings.name)


def augmentation(settings: AugmentationSettings, seed: int) -> Any:
    """Random variations of pixels from 0 to 255, as a Keras model that keeps their shape."""
    import keras

    pixels = (0, 255)
    layers = [
        keras.layers.RandomFlip("horizontal", seed=seed) if settings.flip else None,
        keras.layers.RandomRotation(settings.rotation, fill_mode="nearest", seed=seed + 1),
        keras.layers.RandomZoom(settings.zoom, fill_mode="nearest", seed=seed + 2),
        keras.layers.RandomTranslation(
            settings.translation, settings.translation, fill_mode="nearest", seed=seed + 3
        ),
        keras.layers.RandomBrightness(settings.brightness, value_range=pixels, seed=seed + 4),
        keras.layers.RandomContrast(settings.contrast, value_range=pixels, seed=seed + 5),
    ]
    return keras.Sequential([layer for layer in layers if layer is not None], name="augmentation")


def _mobilenet_v2(settings: ModelSettings, pixels: Any) -> Any:
    import keras

    packaged = settings.weights == "imagenet" and settings.alpha == PACKAGED_ALPHA
    try:
        base = keras.applications.MobileNetV2(
            input_shape=pixels.shape[1:],
            input_tensor=pixels,
            alpha=settings.alpha,
            include_top=False,
            weights="imagenet" if settings.pretrained and not packaged else None,
        )
    except Exception as error:  # a download that fails is a bare Exception of Keras's
        raise CorallineError(
            f"cannot get the ImageNet weights of width {settings.alpha}: {error}",
            where="train.model.alpha",
            fix=f"Use `alpha: {PACKAGED_ALPHA}`, whose weights come along, or `weights: random`.",
        ) from error
    if packaged:
        load_imagenet(base)
    return base.output


def _small_mobilenet(settings: ModelSettings, pixels: Any) -> Any:
    import keras

    noisy = keras.layers.GaussianNoise(settings.noise, name="noise")(pixels)
    maps = _convolution(noisy, 32, stride=2, kernel=3, name="stem")
    for number, (expansion, channels, repeats, stride) in enumerate(_SMALL_BLOCKS, 1):
        for repeat in range(repeats):
            name = f"block_{number}_{repeat + 1}"
            maps = _inverted_residual(maps, expansion, channels, stride if not repeat else 1, name)
    return _convolution(maps, 1280, stride=1, kernel=1, name="last")


def _inverted_residual(maps: Any, expansion: int, channels: int, stride: int, name: str) -> Any:
    """Widen, filter each map, narrow (Sandler et al., CVPR 2018, figure 4)."""
    import keras

    before = maps.shape[-1]
    wide = _convolution(maps, before * expansion, stride=1, kernel=1, name=f"{name}_expand")
    filtered = keras.layers.DepthwiseConv2D(3, stride, padding="same", name=f"{name}_depthwise")(
        wide
    )
    filtered = keras.layers.BatchNormalization(name=f"{name}_depthwise_norm")(filtered)
    filtered = keras.layers.ReLU(6, name=f"{name}_depthwise_relu")(filtered)
    narrow = keras.layers.Conv2D(channels, 1, name=f"{name}_project")(filtered)
    narrow = keras.layers.BatchNormalization(name=f"{name}_project_norm")(narrow)
    if stride == 1 and before == channels:
        return keras.layers.Add(name=f"{name}_add")([maps, narrow])
    return narrow


def _convolution(maps: Any, channels: int, *, stride: int, kernel: int, name: str) -> Any:
    import keras

    maps = keras.layers.Conv2D(channels, kernel, stride, padding="same", name=name)(maps)
    maps = keras.layers.BatchNormalization(name=f"{name}_norm")(maps)
    return keras.layers.ReLU(6, name=f"{name}_relu")(maps)
