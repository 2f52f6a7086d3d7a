"""The `train` section of a project file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from coralline_core.settings import Settings
from pydantic import AfterValidator, Field, model_validator

_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def _known_width(alpha: float) -> float:
    if alpha not in _WIDTHS:
        raise ValueError(f"MobileNetV2 has no width {alpha}: choose from {_WIDTHS}")
    return alpha


class ModelSettings(Settings):
    """The network."""

    name: Literal["mobilenet_v2", "small_mobilenet"] = "mobilenet_v2"
    """`mobilenet_v2` (Sandler et al., 2018), or `small_mobilenet`, a shorter one for
    microcontrollers that is trained from nothing."""

    alpha: Annotated[float, AfterValidator(_known_width)] = 1.0
    """`mobilenet_v2`: its width, of 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4. ImageNet weights for 1.0
    come with coralline; Keras downloads those for other widths."""

    size: int = Field(default=96, ge=32, le=512, multiple_of=32)
    """Side of the network's input, and so of the crops, in px."""

    weights: Literal["imagenet", "random"] = "imagenet"
    """What `mobilenet_v2` begins with: `imagenet`, or `random`, which needs thousands of
    images."""

    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the features that are dropped before the last layer while training."""

    noise: float = Field(default=0.1, ge=0, le=1)
    """`small_mobilenet`: standard deviation of the Gaussian noise on the input while training, for
    pixels from -1 to 1. It evens out how sharp the sources are."""

    @property
    def pretrained(self) -> bool:
        """Whether there is something to fine-tune."""
        return self.name == "mobilenet_v2" and self.weights == "imagenet"


class AugmentationSettings(Settings):
    """How training images are varied. All of it at random, none of it in the trained model."""

    flip: bool = True
    """Mirror left and right. Turn it off where left and right differ."""

    rotation: float = Field(default=0.04, ge=0, le=0.5)
    """Up to this share of a full turn, either way."""

    zoom: float = Field(default=0.1, ge=0, le=0.5)
    """In or out, up to this share."""

    translation: float = Field(default=0.06, ge=0, le=0.5)
    """Up to this share of the side, in each direction."""

    brightness: float = Field(default=0.15, ge=0, le=1)
    """Up or down, up to this share of the range."""

    contrast: float = Field(default=0.2, ge=0, lt=1)
    """Up or down, up to this share."""


class TrainSettings(Settings):
    """How a classifier is trained: first its last layer, then all of it."""

    model: ModelSettings = ModelSettings()
    """The network."""

    augmentation: AugmentationSettings = AugmentationSettings()
    """How training images are varied."""

    head_epochs: int = Field(default=60, ge=1)
    """Most epochs of the last layer alone, before the rest is thawed. Only with `weights`."""

    head_learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Adam's, for the last layer alone."""

    epochs: int = Field(default=12, ge=0)
    """Most epochs of the whole network. 0 leaves it at the last layer."""

    learning_rate: float = Field(default=1e-4, gt=0, le=1)
    """Adam's, for the whole network, at its highest: it rises over the first epoch and then falls
    to nothing. Small, as the weights are good already; with random weights 1e-3 is a good start."""

    batch_size: int = Field(default=32, ge=1, le=1024)
    """Images a step."""

    patience: int = Field(default=8, ge=1)
    """Epochs of the whole network without a better validation loss before training stops."""

    class_weights: bool = True
    """Let rare labels count for more, so that all labels count the same."""

    seed: int = Field(default=1, ge=0, lt=2**31)
    """The same data and seed give the same model."""

    saved_model: bool = False
    """Write a TensorFlow SavedModel, too."""

    @model_validator(mode="after")
    def _random_weights_are_trained(self) -> Self:
        if not self.model.pretrained and self.epochs == 0:
            raise ValueError("without pretrained weights, `epochs` must be 1 or more")
        return self
