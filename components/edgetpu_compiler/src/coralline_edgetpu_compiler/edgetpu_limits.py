"""What Coral's table of supported operations says of single ops.

"TensorFlow models on the Edge TPU", section "Supported operations", as far as a file shows it.
Ranks, types and constants hold for every op, and are not checked here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from coralline_edgetpu_compiler.graph import Op, Tensor

    Limit = Callable[[Op, list[Tensor], list[Tensor]], str | None]

_MAX_SOFTMAX = 16_000  # elements


def limit(op: Op, inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    """Say why a supported op is not taken as it is used here; None where it is."""
    rule = _LIMITS.get(op.name)
    return rule(op, inputs, outputs) if rule else None


def _convolution(op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    if op.options.dilationWFactor != op.options.dilationHFactor:
        return "another dilation in x than in y"
    if op.name == "CONV_2D" and inputs[0].shape[-1] != inputs[1].shape[-1]:
        return "grouped convolution"
    return None


def _no_activation(op: Op, _inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    return "a fused activation" if op.options.fusedActivationFunction else None


def _concatenation(op: Op, inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    constants = [tensor for tensor in inputs if tensor.constant]
    if constants and (len(inputs) != 2 or not all(map(_zeros, constants))):
        return "a constant that is not just zeros beside one other input"
    return _no_activation(op, inputs, outputs)


def _fully_connected(op: Op, _inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    if op.options.weightsFormat:
        return "weights in another format than the default"
    return "an output of more than one dimension" if _rows(outputs[0]) != 1 else None


def _pack(op: Op, _inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    return _batch([op.options.axis], outputs[0])


def _pad(_op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    paddings = _integers(inputs[1]).reshape(-1, 2).tolist()
    return _batch([axis for axis, padding in enumerate(paddings) if any(padding)], inputs[0])


def _prelu(_op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    return "a slope for every pixel: set shared_axes=[1, 2]" if _rows(inputs[1]) != 1 else None


def _reduction(op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    axes = [axis % len(inputs[0].shape) for axis in _integers(inputs[1]).tolist()]
    channels = len(inputs[0].shape) - 1
    if op.name == "MEAN" and channels in axes and inputs[0].shape[-1] % 4:
        return "a mean over channels that are not a multiple of 4"
    return _batch(axes, inputs[0])


def _resize(_op: Op, inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    (_, in_height, in_width, _), (_, height, width, _) = inputs[0].shape, outputs[0].shape
    if height * width > 4 * in_height * in_width and (height % in_height or width % in_width):
        return "enlarges by a factor that is not whole"
    return None


def _softmax(_op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    if _rows(inputs[0]) != 1 or inputs[0].shape[-1] > _MAX_SOFTMAX:
        return f"a softmax over more than one dimension, or more than {_MAX_SOFTMAX} elements"
    return None


def _split(_op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    return _batch(_integers(inputs[0]).tolist(), inputs[1])


def _squeeze(_op: Op, inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    kept = outputs[0].shape
    return None if inputs[0].shape[-len(kept) :] == kept else "a size of 1 that is not in front"


def _strided_slice(op: Op, inputs: list[Tensor], _outputs: list[Tensor]) -> str | None:
    if (_integers(inputs[3]) != 1).any():
        return "a stride that is not 1"
    if op.options.ellipsisMask or op.options.newAxisMask:
        return "an ellipsis, or a new axis"
    return None


_LIMITS: dict[str, Limit] = {
    "AVERAGE_POOL_2D": _no_activation,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _no_activation,
    "MEAN": _reduction,
    "PACK": _pack,
    "PAD": _pad,
    "PRELU": _prelu,
    "REDUCE_MAX": _reduction,
    "REDUCE_MIN": _reduction,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "SPLIT": _split,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUM": _reduction,
}


def _batch(axes: list[int], tensor: Tensor) -> str | None:
    """Four dimensions begin with the batch; fewer may have none."""
    rank = len(tensor.shape)
    return "works on the batch dimension" if rank > 3 and 0 in [a % rank for a in axes] else None


def _rows(tensor: Tensor) -> int:
    return math.prod(tensor.shape[:-1])


def _integers(tensor: Tensor) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.frombuffer(tensor.data or b"", "<i4")


def _zeros(tensor: Tensor) -> bool:
    values = np.frombuffer(tensor.data or b"", tensor.type.lower())
    return bool((values == tensor.zero_point).all())
