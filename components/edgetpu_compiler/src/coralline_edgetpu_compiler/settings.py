"""The `compile` section of a project file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from coralline_core.settings import Settings
from pydantic import BeforeValidator, Field, field_validator

EthosName = Literal[
    "ethos-u55-32",
    "ethos-u55-64",
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-128",
    "ethos-u85-256",
    "ethos-u85-512",
    "ethos-u85-1024",
    "ethos-u85-2048",
]


class EdgeTpuTarget(Settings):
    """Coral's Edge TPU, through its closed compiler where that is installed."""

    name: Literal["edgetpu"]
    """`edgetpu`."""

    required: bool = False
    """Fail where `edgetpu_compiler` is not installed. Otherwise a static check says which ops it
    would take, and the target is marked as not compiled."""

    min_mapped_share: float = Field(default=1.0, ge=0, le=1)
    """Gate: the least share of ops that run on the accelerator."""

    timeout: int = Field(default=180, ge=1)
    """Seconds that the compiler may take."""


class EthosTarget(Settings):
    """An Arm Ethos-U NPU, through Vela."""

    name: EthosName
    """The NPU and its MACs a cycle, such as `ethos-u55-256`."""

    system_config: str | None = None
    """A system configuration of Arm's vela.ini; by default a usual one of the NPU's family."""

    memory_mode: str | None = None
    """A memory mode of Arm's vela.ini, likewise."""

    min_mapped_share: float = Field(default=1.0, ge=0, le=1)
    """Gate: the least share of ops that run on the NPU."""

    max_sram_kib: float | None = Field(default=None, gt=0)
    """Gate: the most SRAM that the model may use."""


class TfliteMicroTarget(Settings):
    """A microcontroller without an accelerator, through TensorFlow Lite Micro's interpreter."""

    name: Literal["tflite-micro"]
    """`tflite-micro`."""

    max_arena_kib: float | None = Field(default=None, gt=0)
    """Gate: the most memory that the interpreter's arena may take."""


def _from_name(target: Any) -> Any:
    """Let a plain name stand for a target with its defaults."""
    return {"name": target} if isinstance(target, str) else target


Target = Annotated[
    Annotated[EdgeTpuTarget | EthosTarget | TfliteMicroTarget, Field(discriminator="name")],
    BeforeValidator(_from_name),
]


class CompileSettings(Settings):
    """The accelerators that the model is compiled for."""

    targets: tuple[Target, ...] = (EdgeTpuTarget(name="edgetpu"),)
    """`edgetpu`, `tflite-micro`, `ethos-u55-256` and its like; a name, or a mapping with `name`."""

    @field_validator("targets")
    @classmethod
    def _each_once(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in targets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return targets
