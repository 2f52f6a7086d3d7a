"""Fitting: the last layer on features that are computed once, then the whole network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from coralline_core.reports import Report

from coralline_trainer.batches import batches, count
from coralline_trainer.networks import FEATURES, augmentation

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.dataset import Dataset
    from coralline_core.progress import Progress
    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_trainer.settings import TrainSettings

_VARIANTS = 8  # how often each crop is varied for the last layer, where memory allows
_FEATURE_BYTES = 256 << 20
_HEAD_PATIENCE = 20  # epochs of the last layer, which cost next to nothing


class Epoch(Report):
    """One epoch, as history.json has it."""

    phase: str
    """`head`: the last layer alone; `all`: the whole network."""
    epoch: int
    """From 1, in its phase."""
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


class Data(NamedTuple):
    """What a network is fitted to.

    Attributes:
        train: Shuffled batches of (pixels, label), as `batches` gives them.
        validation: Batches in order.
        rows: How many crops there are to train on.
        class_weights: What a crop of each label counts, by the label's index.
    """

    train: Any
    validation: Any
    rows: int
    class_weights: dict[int, float]

    @classmethod
    def of(cls, settings: TrainSettings, crops: Dataset, store: Store) -> Data:
        """The training and validation splits of a dataset, with the weights of its labels."""
        size, batch = settings.model.size, settings.batch_size
        rows = count(crops, "train")
        found = [crops.counts[label]["train"] for label in crops.labels]
        weights = [rows / len(found) / n if settings.class_weights else 1.0 for n in found]
        return cls(
            batches(crops, store, "train", size, batch, seed=settings.seed),
            batches(crops, store, "validation", size, batch),
            rows,
            dict(enumerate(weights)),
        )


def fit(
    settings: TrainSettings, network: Any, data: Data, logs: Path, progress: Progress
) -> list[Epoch]:
    """Fit a network in place; it ends with the weights of the least validation loss.

    A pretrained network has its last layer fitted first: the first steps, led by a random last
    layer, would otherwise undo what the rest has learnt. Then everything is fitted at a small
    rate, with the batch statistics as they were, as the Keras guide to transfer learning advises.

    Args:
        settings: The `train` section.
        network: As `networks.build` gives it.
        data: What to learn from.
        logs: A folder for TensorBoard's logs.
        progress: Hears of each epoch.

    Returns:
        The epochs in order; the first with the least validation loss has given the weights.
    """
    varied = augmentation(settings.augmentation, settings.seed)
    history: list[Epoch] = []
    head_epochs = settings.head_epochs if settings.model.pretrained else 0
    total = head_epochs + settings.epochs
    if head_epochs:
        callbacks = _callbacks("head", _HEAD_PATIENCE, history, logs, progress, 0, total)
        _fit_head(settings, network, varied, data, callbacks)
    if settings.epochs:
        before, weights = min((e.val_loss for e in history), default=None), network.get_weights()
        patience = settings.patience
        callbacks = _callbacks("all", patience, history, logs, progress, head_epochs, total)
        _fit_all(settings, network, varied, data, callbacks)
        if before is not None and before <= min(e.val_loss for e in history if e.phase == "all"):
            network.set_weights(weights)
    return history


def _fit_head(
    settings: TrainSettings, network: Any, varied: Any, data: Data, callbacks: list[Any]
) -> None:
    """Fit the last layer. What is below stands still, so its features are computed once."""
    import keras

    features = network.get_layer(FEATURES)
    body = keras.Model(network.input, features.output)
    width = features.output.shape[-1]
    fitting = max(1, _FEATURE_BYTES // (4 * width * settings.batch_size))  # batches
    values, labels = _features(body, data.train.repeat(_VARIANTS).take(fitting), varied)
    head_input = keras.Input((width,))
    output = head_input
    for layer in network.layers[network.layers.index(features) + 1 :]:
        output = layer(output)
    head = keras.Model(head_input, output)
    _compile(head, settings.head_learning_rate)
    head.fit(
        values,
        labels,
        batch_size=settings.batch_size * _VARIANTS,
        validation_data=_features(body, data.validation.take(fitting)),
        epochs=settings.head_epochs,
        class_weight=data.class_weights,
        callbacks=callbacks,
        verbose=0,
    )


def _features(
    body: Any, batches: Any, varied: Any = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    import tensorflow as tf

    def features(pixels: Any) -> Any:
        pixels = tf.cast(pixels, tf.float32)
        return body(pixels if varied is None else varied(pixels, training=True), training=False)

    compiled = tf.function(features, input_signature=[batches.element_spec[0]])
    found = [(compiled(pixels).numpy(), labels.numpy()) for pixels, labels in batches]
    values, labels = zip(*found, strict=True)
    return np.concatenate(values), np.concatenate(labels)


def _fit_all(
    settings: TrainSettings, network: Any, varied: Any, data: Data, callbacks: list[Any]
) -> None:
    """Fit every layer; the batch normalisation of a pretrained network keeps its statistics."""
    import keras

    frozen = [
        layer
        for layer in network.layers
        if settings.model.pretrained and isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in frozen:
        layer.trainable = False
    trained = keras.Sequential([varied, network])
    _compile(trained, _warm_then_cool(settings, math.ceil(data.rows / settings.batch_size)))
    trained.fit(
        data.train,
        validation_data=data.validation,
        epochs=settings.epochs,
        class_weight=data.class_weights,
        callbacks=callbacks,
        shuffle=False,  # it is
        verbose=0,
    )
    for layer in frozen:
        layer.trainable = True


def _warm_then_cool(settings: TrainSettings, steps: int) -> Any:
    """Up to the learning rate over the first epoch, then down a cosine to nothing.

    Adam's first steps are as large as its later ones, though it knows no curvature yet; without
    the rise they undo much of what a pretrained network knows (Goyal et al., 2017; Loshchilov and
    Hutter, ICLR 2017).
    """
    import keras

    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=steps * max(1, settings.epochs - 1),
        warmup_target=settings.learning_rate,
        warmup_steps=steps,
    )


def _compile(model: Any, learning_rate: Any) -> None:
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    # Left to the first step, the optimiser's variables would have TensorFlow trace it twice.
    model.optimizer.build(model.trainable_variables)


def _callbacks(
    phase: str,
    patience: int,
    history: list[Epoch],
    logs: Path,
    progress: Progress,
    done: int,
    total: int,
) -> list[Any]:
    import keras

    def say(epoch: int, measured: dict[str, float]) -> None:
        history.append(Epoch(phase=phase, epoch=epoch + 1, **measured))
        note = f"validation accuracy {measured['val_accuracy']:.1%}"
        progress.update(done + epoch + 1, total, "epochs", note)

    return [
        keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True),
        keras.callbacks.LambdaCallback(on_epoch_end=say),
        keras.callbacks.TensorBoard(logs / phase, write_graph=False),
    ]
