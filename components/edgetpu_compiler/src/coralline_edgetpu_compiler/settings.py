"""The `compile` section of a project file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from coralline_core.settings import Settings
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

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
COMPILER = "edgetpu_compiler"
"""Coral's command."""

TargetName = Literal["edgetpu", EthosName, "tflite-micro"]

# Those of Arm's vela.ini, which are held against it here: Vela itself would take one of another
# family without a word, and predict with the wrong clock and memory.
SYSTEM_CONFIGS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Ethos_U55_Deep_Embedded"),
    "u65": (
        "Ethos_U65_High_End",
        "Ethos_U65_Mid_End",
        "Ethos_U65_Embedded",
        "Ethos_U65_Client_Server",
    ),
    "u85": (
        "Ethos_U85_SYS_DRAM_Mid",
        "Ethos_U85_SYS_DRAM_Low",
        "Ethos_U85_SYS_DRAM_High",
        "Ethos_U85_SYS_Flash_Low",
        "Ethos_U85_SYS_Flash_High",
    ),
}
"""By the NPU's family; the first is the default."""
MemoryMode = Literal[
    "Sram_Only",
    "Shared_Sram",
    "Dedicated_Sram",
    "Dedicated_Sram_256KB",
    "Dedicated_Sram_384KB",
    "Dedicated_Sram_512KB",
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

    memory_mode: MemoryMode | None = None
    """A memory mode of Arm's vela.ini, likewise."""

    min_mapped_share: float = Field(default=1.0, ge=0, le=1)
    """Gate: the least share of ops that run on the NPU."""

    max_sram_kib: float | None = Field(default=None, gt=0)
    """Gate: the most SRAM that the model may use."""

    @field_validator("system_config")
    @classmethod
    def _of_its_family(cls, system_config: str | None, info: ValidationInfo) -> str | None:
        if system_config is not None and "name" in info.data:
            name = info.data["name"]
            known = SYSTEM_CONFIGS[family(name)]
            if system_config not in known:
                what = f"no system configuration {system_config!r} for {name}"
                raise ValueError(f"{what}; there are {', '.join(known)}")
        return system_config


class TfliteMicroTarget(Settings):
    """A microcontroller without an accelerator, through TensorFlow Lite Micro's interpreter."""

    name: Literal["tflite-micro"]
    """`tflite-micro`."""

    max_arena_kib: float | None = Field(default=None, gt=0)
    """Gate: the most memory that the interpreter's arena may take."""


def family(name: str) -> str:
    """The family of an Ethos-U.

    >>> family("ethos-u55-256")
    'u55'
    """
    return name.split("-")[1]


def _from_name(target: Any) -> Any:
    """Let a plain name stand for a target with its defaults."""
    named = {"name": target} if isinstance(target, str) else target
    if isinstance(named, dict) and named.get("name") not in get_args(TargetName):
        what = f"no target {named['name']!r}" if "name" in named else "a target without a name"
        raise ValueError(f"{what}; there are {', '.join(get_args(TargetName))}")
    return named


_Mapping = Annotated[EdgeTpuTarget | EthosTarget | TfliteMicroTarget, Field(discriminator="name")]
Target = Annotated[
    _Mapping, BeforeValidator(_from_name, json_schema_input_type=TargetName | _Mapping)
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
