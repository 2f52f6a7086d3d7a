"""The ops of a LiteRT file, read from its flatbuffer (tensorflow/lite/schema/schema.fbs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ai_edge_litert import schema_py_generated as schema
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path


class Tensor(NamedTuple):
    """A value that flows between ops."""

    name: str
    type: str
    """Such as INT8 or FLOAT32."""
    shape: tuple[int, ...]
    static: bool
    """Whether every size is known."""
    constant: bool


class Op(NamedTuple):
    """One operator, in the order of execution."""

    name: str
    """Such as CONV_2D."""
    version: int
    inputs: tuple[int, ...]
    """Indices of tensors; those left out are not among them."""
    outputs: tuple[int, ...]
    options: Any
    """The schema's options object, or None."""


class Graph(NamedTuple):
    """A model's only subgraph."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]


def read_graph(path: Path) -> Graph:
    """Read a LiteRT file.

    Raises:
        CorallineError: It is not one, or it has several subgraphs (control flow).
    """
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise CorallineError("not a LiteRT file", where=str(path), fix="Convert the model first.")
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    if len(model.subgraphs) != 1:
        what = f"the model has {len(model.subgraphs)} subgraphs"
        raise CorallineError(what, where=str(path), fix="Use a network without control flow.")
    subgraph = model.subgraphs[0]
    return Graph(
        tuple(_tensor(model, tensor) for tensor in subgraph.tensors),
        tuple(_op(model, operator) for operator in subgraph.operators),
    )


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_OPS = _names(schema.BuiltinOperator)
_TYPES = _names(schema.TensorType)


def _tensor(model: Any, tensor: Any) -> Tensor:
    shape = tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))
    signature = tensor.shapeSignature if tensor.shapeSignature is not None else shape
    data = model.buffers[tensor.buffer].data
    return Tensor(
        name=tensor.name.decode() if tensor.name else "",
        type=_TYPES[tensor.type],
        shape=shape,
        static=all(size > 0 for size in signature),
        constant=data is not None and len(data) > 0,
    )


def _op(model: Any, operator: Any) -> Op:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files have the code in a byte; new ones have it in both where it fits.
    builtin = _OPS[max(code.builtinCode, code.deprecatedBuiltinCode)]
    custom = code.customCode.decode() if code.customCode else None
    return Op(
        name=custom or builtin,
        version=code.version,
        inputs=tuple(int(index) for index in operator.inputs if index >= 0),
        outputs=tuple(int(index) for index in operator.outputs),
        options=operator.builtinOptions,
    )
