"""The ops of a LiteRT file, read from its flatbuffer (tensorflow/lite/schema/schema.fbs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path


class Tensor(NamedTuple):
    """A value that flows between ops."""

    type: str
    """Such as INT8 or FLOAT32."""
    shape: tuple[int, ...]
    static: bool = True
    """Whether every size is known before the model runs."""
    data: bytes | None = None
    """What a constant holds, little-endian."""
    zero_point: int = 0

    @property
    def constant(self) -> bool:
        """Whether it is a parameter of the model's."""
        return self.data is not None


class Op(NamedTuple):
    """One operator."""

    name: str
    """Such as CONV_2D; of a custom op the name that it gives itself."""
    version: int
    inputs: tuple[int, ...]
    """Indices of tensors; those left out are not among them."""
    outputs: tuple[int, ...]
    options: Any = None
    """The schema's options object, or None."""


class Graph(NamedTuple):
    """A model's only subgraph, its ops in the order of execution."""

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]


def read_graph(path: Path) -> Graph:
    """Read a LiteRT file.

    Raises:
        CorallineError: There is none, or it has several subgraphs (control flow).
    """
    if not path.is_file():
        fix = "Convert the model first."
        raise CorallineError(f"{path.name} is missing", where=str(path.parent), fix=fix)
    try:
        # Its verifier walks the whole flatbuffer, which the schema's code trusts.
        Interpreter(
            str(path),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    except ValueError as error:
        fix = "Convert the model again."
        raise CorallineError("not a LiteRT file", where=str(path), fix=fix) from error
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
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
    shape = _ints(tensor.shape)
    data = model.buffers[tensor.buffer].data
    quantization = tensor.quantization
    zero_points = _ints(quantization.zeroPoint if quantization is not None else None)
    return Tensor(
        type=_TYPES[tensor.type],
        shape=shape,
        static=all(size >= 0 for size in _ints(tensor.shapeSignature) or shape),
        data=data.tobytes() if data is not None and len(data) else None,
        zero_point=zero_points[0] if zero_points else 0,
    )


def _op(model: Any, operator: Any) -> Op:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files have the code in a byte; new ones have it in both where it fits.
    builtin = _OPS[max(code.builtinCode, code.deprecatedBuiltinCode)]
    custom = code.customCode.decode() if code.customCode else None
    return Op(
        name=custom or builtin,
        version=code.version,
        inputs=tuple(index for index in _ints(operator.inputs) if index >= 0),
        outputs=_ints(operator.outputs),
        options=operator.builtinOptions,
    )


def _ints(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)
