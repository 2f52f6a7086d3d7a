"""What compiling for the targets came to."""

from __future__ import annotations

from coralline_core.reports import Gate, Report


class OpCount(Report):
    """Ops of one kind that share a fate."""

    op: str
    count: int
    mapped: bool
    """Whether they run on the accelerator."""
    reason: str | None = None
    """Why not, or a remark."""


class TargetResult(Report):
    """One target."""

    name: str
    compiled: bool
    """Whether a compiler made (or, for tflite-micro, an interpreter ran) the model."""
    predicted: bool = False
    """Whether the ops come from a static check, and no compiler has confirmed them."""
    mapped_share: float | None = None
    """Share of ops on the accelerator, 0 to 1; None where there is none."""
    reasons: tuple[str, ...] = ()
    """Why it was not compiled, or what does not run on the accelerator."""
    ops: tuple[OpCount, ...] = ()
    file: str | None = None
    """In the compiled folder."""
    bytes: int | None = None
    sram_kib: float | None = None
    latency_ms: float | None = None
    """As the compiler predicts it."""
    arena_kib: float | None = None


class CompileReport(Report):
    """All targets, in the project file's order."""

    targets: tuple[TargetResult, ...]
    gates: tuple[Gate, ...]
    seconds: float
