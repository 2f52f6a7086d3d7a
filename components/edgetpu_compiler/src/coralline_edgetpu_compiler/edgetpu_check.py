"""Which ops the Edge TPU compiler would take, said before it runs, with a reason for each other.

The rules are those of Coral's "TensorFlow models on the Edge TPU" and of compiler 16.0 as seen in
compiled models and in issue threads. Activation memory cannot be seen from outside. So this is a
pre-check with a clear reason, and never a verdict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.graph import Graph, Op, Tensor

# The newest version of each op that compiler 16.0 knows.
_VERSIONS = {
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "CONCATENATION": 2,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 4,
    "L2_NORMALIZATION": 2,
    "LOGISTIC": 2,
    "LSTM": 4,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MUL": 3,
    "PACK": 2,
    "PAD": 2,
    "PRELU": 1,
    "QUANTIZE": 2,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 2,
    "RELU": 2,
    "RELU6": 2,
    "RELU_N1_TO_1": 1,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "RSQRT": 2,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 2,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 1,
    "STRIDED_SLICE": 2,
    "SUB": 3,
    "SUM": 2,
    "TANH": 2,
    "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 3,
}
_WEIGHED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
_TYPES = {"INT8", "UINT8"}
_MAX_RANK = 3
_MAX_CLASSES = 16_000  # of a softmax


def check(graph: Graph) -> list[str | None]:
    """Say of every op why it would not run on the Edge TPU; None where it would.

    The compiler makes one partition: what depends on an op that it leaves out stays on the CPU.
    """
    reasons: list[str | None] = []
    on_cpu: set[int] = set()  # tensors that are made on the CPU
    for op in graph.ops:
        reason = _reason(graph, op)
        if reason is None and on_cpu.intersection(op.inputs):
            reason = "comes after an op that runs on the CPU: more than one subgraph"
        if reason is not None:
            on_cpu.update(op.outputs)
        reasons.append(reason)
    return reasons


def _reason(graph: Graph, op: Op) -> str | None:
    newest = _VERSIONS.get(op.name)
    if newest is None:
        return "operation not supported"
    if op.version > newest:
        return f"operation version {op.version} not supported, at most {newest}"
    inputs = [graph.tensors[index] for index in op.inputs]
    outputs = [graph.tensors[index] for index in op.outputs]
    if op.name in _WEIGHED:
        weights, *others = _parameters(op, inputs)
        if not all(tensor.constant for tensor in (weights, *others)):
            return "filter or bias is not constant at compile time"
        if weights.type not in _TYPES:
            return _unsupported(weights.type)
    flowing = [tensor for tensor in (*inputs, *outputs) if not tensor.constant]
    return _tensor_reason(flowing) or _limit(op, inputs, outputs)


def _parameters(op: Op, inputs: list[Tensor]) -> list[Tensor]:
    """Filter and bias: a transposed convolution has its output's shape first, its input third."""
    return [inputs[1], *inputs[3:]] if op.name == "TRANSPOSE_CONV" else inputs[1:]


def _tensor_reason(tensors: list[Tensor]) -> str | None:
    for tensor in tensors:
        if tensor.type not in _TYPES:
            return _unsupported(tensor.type)
        if not tensor.static:
            return "a size is only known at run time: convert with a static batch of 1"
        if math.prod(tensor.shape[:-_MAX_RANK]) != 1:
            shape = "x".join(map(str, tensor.shape))
            return f"unsupported rank: only the three innermost sizes of {shape} may exceed 1"
    return None


def _unsupported(type_name: str) -> str:
    return f"unsupported data type {type_name}: quantise the model to int8"


def _limit(op: Op, inputs: list[Tensor], outputs: list[Tensor]) -> str | None:
    """What Coral's table says of some ops."""
    options = op.options
    if op.name == "SOFTMAX" and outputs[0].shape[-1] > _MAX_CLASSES:
        return f"more than {_MAX_CLASSES} classes"
    if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        dilated = options.dilationWFactor > 1 or options.dilationHFactor > 1
        if dilated and (options.strideW > 1 or options.strideH > 1):
            return "dilation together with a stride"
    if op.name == "CONV_2D" and inputs[0].shape[-1] != inputs[1].shape[-1]:
        return "grouped convolution"
    if op.name == "FULLY_CONNECTED" and math.prod(outputs[0].shape[:-1]) != 1:
        return "a dense layer on more than one row"
    if op.name in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        (_, in_height, in_width, _), (_, height, width, _) = inputs[0].shape, outputs[0].shape
        if height * width > 4 * in_height * in_width and (height % in_height or width % in_width):
            return "enlarges by a factor that is not whole"
    return None
