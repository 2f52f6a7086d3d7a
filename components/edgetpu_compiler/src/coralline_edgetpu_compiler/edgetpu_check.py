"""Which ops the Edge TPU compiler would take, said before it runs, with a reason for each other.

The rules are those of Coral's "TensorFlow models on the Edge TPU" and of compiler 16.0 as seen in
compiled models and in issue threads. Activation memory cannot be seen from outside. So this is a
pre-check with a clear reason, and never a verdict.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from coralline_edgetpu_compiler.edgetpu_limits import limit

if TYPE_CHECKING:
    from coralline_edgetpu_compiler.graph import Graph, Op, Tensor

# The ops of Coral's table, each with the newest version that compiler 16.0 takes. Later ones come
# with grouped convolutions, dense layers on 3-D input, 16-bit types and the like.
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
_TYPES = {"INT8", "UINT8"}
_MAX_RANK = 3
# Which inputs are images. The others are parameters: filters, biases, axes, sizes.
_ALL_IMAGES = {
    "ADD",
    "CONCATENATION",
    "MAXIMUM",
    "MINIMUM",
    "MUL",
    "PACK",
    "SQUARED_DIFFERENCE",
    "SUB",
}
_IMAGE = {"SPLIT": 1, "TRANSPOSE_CONV": 2}  # which input it is; the first of other ops


def check(graph: Graph) -> list[str | None]:
    """Say of every op why it would not run on the Edge TPU; None where it would.

    The compiler makes one partition: what comes after an op that it cannot take stays on the CPU.
    """
    found = [_reason(graph, op) for op in graph.ops]
    mapped = _first_partition(graph, [reason is None for reason in found])
    behind = "more than one subgraph is not supported: comes after an op on the CPU"
    return [None if index in mapped else reason or behind for index, reason in enumerate(found)]


def _first_partition(graph: Graph, supported: list[bool]) -> set[int]:
    """The first run of supported ops, as TensorFlow Lite's delegates cut a graph.

    Ops run in turns: all that can run and are of one kind, supported or not, then all of the other
    kind that can run since, and so on (tensorflow/lite/graph_info.cc).
    """
    missing = {output for op in graph.ops for output in op.outputs}
    waiting = list(range(len(graph.ops)))
    while waiting:
        turn: list[int] = []
        for index in waiting:
            op = graph.ops[index]
            of_this_kind = not turn or supported[index] == supported[turn[0]]
            if of_this_kind and missing.isdisjoint(op.inputs):
                turn.append(index)
                missing.difference_update(op.outputs)
        if supported[turn[0]]:
            return set(turn)
        waiting = [index for index in waiting if index not in turn]
    return set()


def _reason(graph: Graph, op: Op) -> str | None:
    newest = _VERSIONS.get(op.name)
    if newest is None:
        return "operation not supported"
    if op.version > newest:
        return f"operation version {op.version} not supported, at most {newest}"
    inputs = [graph.tensors[index] for index in op.inputs]
    outputs = [graph.tensors[index] for index in op.outputs]
    image = _IMAGE.get(op.name, 0)
    if op.name not in _ALL_IMAGES and not all(
        tensor.constant for index, tensor in enumerate(inputs) if index != image
    ):
        return "filter, bias or another parameter is not constant at compile time"
    flowing = [tensor for tensor in (*inputs, *outputs) if not tensor.constant]
    return _tensor_reason(flowing) or limit(op, inputs, outputs)


def _tensor_reason(tensors: list[Tensor]) -> str | None:
    for tensor in tensors:
        if tensor.type not in _TYPES:
            return f"unsupported data type {tensor.type}: quantise the model to int8"
        if not tensor.static:
            return "a size is only known at run time: convert with a static batch of 1"
        if math.prod(tensor.shape[:-_MAX_RANK]) != 1:
            shape = "x".join(map(str, tensor.shape))
            return f"unsupported rank: only the three innermost sizes of {shape} may exceed 1"
    return None
