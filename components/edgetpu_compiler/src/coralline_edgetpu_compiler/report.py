"""What compiling for the targets came to."""

from __future__ import annotations

from coralline_core.reports import Gate, Report


class OpCount(Report):
    """Ops of one kind that share a fate."""

    op: str
    """As LiteRT names it, such as CONV_2D."""
    count: int
    mapped: bool
    """Whether they run on the accelerator."""
    reason: str | None = None
    """Why not."""


class TargetResult(Report):
    """One target."""

    name: str
    compiled: bool
    """Whether a compiler put ops on the accelerator; of tflite-micro, whether it ran the model."""
    predicted: bool = False
    """Whether the ops come from a static check, and no compiler has confirmed them."""
    mapped_share: float | None = None
    """Share of the model's ops on the accelerator, 0 to 1; None where there is none, or where its
    compiler failed."""
    reasons: tuple[str, ...] = ()
    """Why it was not compiled, and what does not run on the accelerator."""
    ops: tuple[OpCount, ...] = ()
    file: str | None = None
    """In the compiled folder. TensorFlow Lite Micro runs model_int8.tflite as it is."""
    bytes: int | None = None
    """Of what the device gets."""
    sram_kib: float | None = None
    latency_ms: float | None = None
    """As the compiler predicts it."""
    arena_kib: float | None = None
    max_difference: float | None = None
    """Between the interpreter's output and that of LiteRT's reference kernels, on one random image,
    in steps of the output: 0 where both compute alike."""


class CompileReport(Report):
    """All targets, in the project file's order."""

    targets: tuple[TargetResult, ...]
    gates: tuple[Gate, ...]
    seconds: float


def mapped_share(ops: tuple[OpCount, ...]) -> float:
    """The share of ops that run on the accelerator; 0 without ops."""
    total = sum(op.count for op in ops)
    return sum(op.count for op in ops if op.mapped) / total if total else 0.0


def reasons(ops: tuple[OpCount, ...]) -> tuple[str, ...]:
    """A line for every kind of op that does not run on the accelerator."""
    return tuple(f"{op.count} x {op.op}: {op.reason}" for op in ops if not op.mapped)
