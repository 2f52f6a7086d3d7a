"""Ethos-U targets, compiled by Vela."""

from typing import get_args

import pytest
from coralline_edgetpu_compiler.graph import read_graph
from coralline_edgetpu_compiler.settings import EthosName
from coralline_edgetpu_compiler.vela import parse_reasons


def test_a_small_network_runs_on_the_npu_whole(small, compiled):
    result = compiled(small, "ethos-u55-256")
    target = result.target
    assert (target.compiled, target.predicted, target.mapped_share) == (True, False, 1.0)
    assert target.reasons == ()
    assert sum(op.count for op in target.ops) == 10
    assert target.file == "model_int8_vela_ethos-u55-256.tflite"
    assert target.bytes == (result.folder / target.file).stat().st_size
    assert [op.name for op in read_graph(result.folder / target.file).ops] == ["ethos-u"]
    assert 0 < target.sram_kib < 20
    assert 0 < target.latency_ms < 1
    assert result.report.gates[0].passed
    log = (result.folder / "vela_ethos-u55-256.log").read_text()
    assert "CPU operators = 0 (0.0%)" in log


def test_the_same_model_gives_the_same_bytes(small, compiled):
    path = compiled(small, "ethos-u55-128").folder / "model_int8_vela_ethos-u55-128.tflite"
    first = path.read_bytes()
    compiled(small, "ethos-u55-128")
    assert path.read_bytes() == first


def test_every_npu_has_a_default_configuration_that_vela_takes(small, compiled):
    report = compiled(small, *get_args(EthosName)).report
    assert [target.name for target in report.targets] == list(get_args(EthosName))
    assert all(target.mapped_share == 1.0 for target in report.targets)
    latency = {target.name: target.latency_ms for target in report.targets}
    assert latency["ethos-u55-32"] > latency["ethos-u55-256"] > latency["ethos-u65-512"]


def test_a_system_configuration_changes_the_prediction(small, compiled):
    slow = {"name": "ethos-u55-256", "system_config": "Ethos_U55_Deep_Embedded"}
    (usual,) = compiled(small, "ethos-u55-256").report.targets
    (deep,) = compiled(small, slow).report.targets
    assert deep.latency_ms > usual.latency_ms


def test_ops_on_the_cpu_are_named_and_gated(elu, compiled):
    result = compiled(elu, {"name": "ethos-u55-256", "min_mapped_share": 0.8, "max_sram_kib": 1})
    assert result.target.compiled
    assert result.target.mapped_share == pytest.approx(10 / 13)
    assert result.target.reasons == (
        "1 x DEQUANTIZE: Unsupported opType",
        "1 x ELU: Operation has tensor with unsupported DataType Float32",
        "1 x QUANTIZE: Operation has tensor with unsupported DataType Float32",
    )
    assert [(gate.key, gate.passed) for gate in result.report.gates] == [
        ("compile.targets[0].min_mapped_share", False),
        ("compile.targets[0].max_sram_kib", False),
    ]


def test_a_float_network_is_not_compiled_though_vela_ends_well(floating, compiled):
    result = compiled(floating, "ethos-u55-256")
    assert (result.target.compiled, result.target.mapped_share) == (False, 0.0)
    assert any(reason.endswith("unsupported DataType Float32") for reason in result.target.reasons)
    assert not result.report.gates[0].passed


def test_a_configuration_that_vela_refuses_is_a_result_of_that_target(small, compiled):
    # Its arena would lie in flash.
    bad = {"name": "ethos-u55-256", "memory_mode": "Dedicated_Sram"}
    result = compiled(small, bad, "ethos-u55-128")
    refused, fine = result.report.targets
    assert (refused.compiled, refused.mapped_share) == (False, None)
    assert "Invalid configuration of arena_mem_area" in refused.reasons[0]
    assert fine.compiled
    assert [(gate.key, gate.passed) for gate in result.report.gates] == [
        ("compile.targets[0]", False),
        ("compile.targets[1].min_mapped_share", True),
    ]


def test_reasons_are_read_by_op_each_once_and_without_tensor_names():
    log = """
Warning (supported operators) operator: MEAN, ofm: 'functional_1/mean (a)'
Reason: Unsupported depth-reduction.
Warning (supported operators) operator: QUANTIZE, ofm: 'b'
Reason: Operation has tensor with unsupported DataType Float32 (functional_1/b;(c))
Feature-map dataTypes must be one of {"INT16", "INT8"}
Warning (supported operators) operator: QUANTIZE, ofm: 'd'
Reason: Operation has tensor with unsupported DataType Float32 (e)
Warning (supported operators) operator: QUANTIZE, ofm: 'f'
Reason: Unsupported opType
"""
    assert parse_reasons(log) == {
        "MEAN": "Unsupported depth-reduction.",
        "QUANTIZE": "Operation has tensor with unsupported DataType Float32; Unsupported opType",
    }
