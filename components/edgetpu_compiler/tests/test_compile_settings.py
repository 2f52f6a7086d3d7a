"""The `compile` section: what it takes, and what it says of what it does not take."""

import configparser
from pathlib import Path
from typing import get_args

import ethosu
import pytest
from coralline_edgetpu_compiler.settings import (
    SYSTEM_CONFIGS,
    CompileSettings,
    EthosName,
    MemoryMode,
    TargetName,
)
from ethosu.vela.architecture_features import Accelerator
from pydantic import ValidationError


def settings(*targets):
    return CompileSettings.model_validate({"targets": targets})


def problem(*targets):
    with pytest.raises(ValidationError) as caught:
        settings(*targets)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


def test_the_edge_tpu_is_the_default():
    assert CompileSettings() == settings("edgetpu")


@pytest.mark.parametrize("name", get_args(TargetName))
def test_a_name_stands_for_a_target_with_its_defaults(name):
    (target,) = settings(name).targets
    assert target.name == name
    assert settings({"name": name}).targets == (target,)


def test_a_mapping_sets_bounds():
    (target,) = settings({"name": "ethos-u55-256", "max_sram_kib": 256}).targets
    assert (target.max_sram_kib, target.min_mapped_share) == (256, 1.0)


def test_settings_survive_the_way_through_a_pipeline():
    before = settings("edgetpu", {"name": "tflite-micro", "max_arena_kib": 128}, "ethos-u85-512")
    assert CompileSettings.model_validate(before.model_dump(mode="json")) == before


def test_an_unknown_target_is_told_which_there_are():
    where, what = problem("edgetpu", "ethos-u55-512")
    assert where == ("targets", 1)
    assert "no target 'ethos-u55-512'; there are edgetpu, ethos-u55-32," in what
    assert what.endswith("tflite-micro")


def test_a_target_needs_a_name():
    assert "a target without a name; there are edgetpu," in problem({"required": True})[1]


def test_a_target_is_named_once():
    where, what = problem("edgetpu", "tflite-micro", {"name": "edgetpu", "required": True})
    assert where == ("targets",)
    assert what.endswith("named twice: edgetpu")


def test_a_key_of_another_target_is_unknown():
    where, what = problem({"name": "tflite-micro", "min_mapped_share": 0.5})
    assert where[-1] == "min_mapped_share"
    assert "Extra inputs" in what


def test_a_system_configuration_of_another_family_is_refused():
    where, what = problem({"name": "ethos-u55-256", "system_config": "Ethos_U85_SYS_DRAM_Mid"})
    assert where[-1] == "system_config"
    assert what.endswith(
        "no system configuration 'Ethos_U85_SYS_DRAM_Mid' for ethos-u55-256; "
        "there are Ethos_U55_High_End_Embedded, Ethos_U55_Deep_Embedded"
    )


def test_what_the_settings_know_is_what_vela_has():
    file = Path(next(iter(ethosu.__path__)), "config_files/Arm/vela.ini")
    parser = configparser.ConfigParser()
    parser.read(file)
    sections = [section.split(".") for section in parser.sections()]
    by_kind = {kind: {name for k, name in sections if k == kind} for kind, _ in sections}
    assert by_kind == {
        "System_Config": {name for names in SYSTEM_CONFIGS.values() for name in names},
        "Memory_Mode": set(get_args(MemoryMode)),
    }
    assert set(Accelerator.member_list()) == set(get_args(EthosName))


def test_the_schema_takes_names_and_mappings():
    schema = CompileSettings.model_json_schema()
    kinds = schema["properties"]["targets"]["items"]["anyOf"]
    assert list(get_args(TargetName)) in [kind.get("enum") for kind in kinds]
    assert any("discriminator" in kind for kind in kinds)
