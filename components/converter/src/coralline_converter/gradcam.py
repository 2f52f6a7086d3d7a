"""Where a network looked: Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SIDE = 5  # maps of fewer cells say 'somewhere in the middle' of every picture
_EPSILON = 1e-8
_BATCH = 32


def choose_layer(network: Any) -> str:
    """The last layer whose maps still show where: the deepest with at least 5 x 5 cells.

    At an input of 96 px the very last maps of MobileNetV2 have 3 x 3 cells, and those of
    `block_13_expand_relu`, 6 x 6, are taken. Padding is passed over: its empty border would shift
    the heat.
    """
    import keras

    maps = [
        layer
        for layer in network.layers
        if len(layer.output.shape) == 4 and not isinstance(layer, keras.layers.ZeroPadding2D)
    ]
    return str([one.name for one in maps if min(one.output.shape[1:3]) >= _LEAST_SIDE][-1])


def heat_maps(
    network: Any, layer: str, pixels: NDArray[np.uint8], classes: NDArray[np.integer]
) -> NDArray[np.float32]:
    """How much each place spoke for a class.

    Args:
        network: A flat functional Keras classifier that ends in a dense softmax.
        layer: The layer whose maps are weighed.
        pixels: uint8 (n, height, width, 3), RGB.
        classes: Shape (n,): the class to explain in each image.

    Returns:
        Shape (n, height, width), 0 to 1; all zeros where no place speaks for the class.
    """
    import keras
    import tensorflow as tf

    last = network.layers[-1]
    seen = keras.Model(network.input, [network.get_layer(layer).output, last.input])

    def explain(images: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            maps, features = seen(images, training=False)
            # The odds of the class against all others: the softmax of a sure model has no slope.
            logits = tf.linalg.matmul(features, last.kernel) + last.bias
            chosen = tf.one_hot(
                wanted, logits.shape[-1], dtype=tf.bool, on_value=True, off_value=False
            )
            others = tf.where(chosen, tf.constant(-np.inf, logits.dtype), logits)
            score = tf.boolean_mask(logits, chosen) - tf.reduce_logsumexp(others, axis=1)
        weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))
        return heat / (tf.reduce_max(heat, axis=(1, 2), keepdims=True) + _EPSILON)

    compiled = tf.function(explain, reduce_retracing=True)
    size = pixels.shape[2], pixels.shape[1]
    found = []
    for start in range(0, len(pixels), _BATCH):
        images = pixels[start : start + _BATCH].astype(np.float32)
        wanted = np.asarray(classes[start : start + _BATCH], np.int64)
        heats = compiled(tf.constant(images), tf.constant(wanted)).numpy()
        found += [cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC) for heat in heats]
    return np.asarray(np.clip(np.stack(found), 0, 1), np.float32)


def overlay(rgb: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture (height, width, 3), RGB, under its heat map: clear where cold, red where hot."""
    scaled = (heat * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    opacity = 0.6 * heat[..., None]
    return (rgb * (1 - opacity) + colours * opacity).round().astype(np.uint8)
