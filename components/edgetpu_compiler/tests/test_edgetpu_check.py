"""What is said of each op before the Edge TPU compiler runs."""

from types import SimpleNamespace

import numpy as np
import pytest
from coralline_edgetpu_compiler.edgetpu_check import check
from coralline_edgetpu_compiler.graph import Graph, Op, Tensor, read_graph
from hypothesis import given
from hypothesis import strategies as st

BEHIND = "more than one subgraph is not supported: comes after an op on the CPU"


def said(path):
    graph = read_graph(path)
    return [(op.name, why) for op, why in zip(graph.ops, check(graph), strict=True)]


def image(*shape, kind="INT8", **more):
    return Tensor(kind, shape, **more)


def constant(*values, kind="int32", shape=None):
    data = np.array(values, kind)
    return Tensor(kind.upper(), shape or data.shape, data=data.tobytes())


def verdict(name, inputs, output, version=1, **options):
    """What is said of a single op."""
    op = Op(name, version, tuple(range(len(inputs))), (len(inputs),), SimpleNamespace(**options))
    (reason,) = check(Graph((*inputs, output), (op,)))
    return reason


def test_a_network_of_supported_ops_is_mapped_whole(small):
    found = said(small)
    assert len(found) == 10
    assert found[3:5] == [("CONV_2D", None), ("DEPTHWISE_CONV_2D", None)]
    assert {why for _, why in found} == {None}


@pytest.mark.parametrize(
    ("activation", "op"),
    [("leaky_relu", "LEAKY_RELU"), ("hard_swish", "HARD_SWISH"), ("gelu", "GELU")],
)
def test_all_behind_an_unsupported_op_stays_on_the_cpu(keras, network, export, activation, op):
    found = said(export(network(keras.layers.Activation(activation))))
    at = [name for name, _ in found].index(op)
    assert found[at] == (op, "operation not supported")
    assert all(why is None for _, why in found[:at])
    assert {why for _, why in found[at + 1 :]} == {BEHIND}


def test_an_op_in_float_is_named_with_its_neighbours(elu):
    unsupported = "unsupported data type FLOAT32: quantise the model to int8"
    assert [(name, why) for name, why in said(elu) if why not in (None, BEHIND)] == [
        ("DEQUANTIZE", "operation not supported"),
        ("ELU", "operation not supported"),
        ("QUANTIZE", unsupported),
    ]


def test_newer_versions_are_rejected(keras, network, export):
    grouped = said(export(network(keras.layers.Conv2D(8, 3, groups=2))))
    assert ("CONV_2D", "operation version 6 not supported, at most 5") in grouped


def test_a_float_network_maps_nothing(floating):
    assert {why for _, why in said(floating)} == {
        "unsupported data type FLOAT32: quantise the model to int8"
    }


def test_a_batch_that_is_not_static_maps_nothing(network, export):
    assert {why for _, why in said(export(network(), batch=None))} == {
        "a size is only known at run time: convert with a static batch of 1"
    }


def test_a_first_op_on_the_cpu_leaves_the_rest_to_the_accelerator():
    tensors = (image(1, 4, 4, 8, kind="FLOAT32"), image(1, 4, 4, 8), image(1, 4, 4, 8))
    ops = (Op("QUANTIZE", 1, (0,), (1,)), Op("RELU", 1, (1,), (2,)))
    assert check(Graph(tensors, ops))[1] is None


def test_branches_that_meet_before_the_cpu_op_are_one_partition():
    # 0 -> RELU -> 1 -> ELU -> 2 ; 1 -> TANH -> 3 ; 2 + 3 -> ADD -> 4
    tensors = tuple(image(1, 4, 4, 8) for _ in range(5))
    ops = (
        Op("RELU", 1, (0,), (1,)),
        Op("ELU", 1, (1,), (2,)),
        Op("TANH", 1, (1,), (3,)),
        Op("ADD", 1, (2, 3), (4,)),
    )
    assert check(Graph(tensors, ops)) == [None, "operation not supported", None, BEHIND]


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 20), max_size=3)), max_size=12))
def test_one_partition_runs_at_once(nodes):
    """Ops that are mapped, and whatever lies between two of them, need nothing of the CPU's."""
    tensors = tuple(image(1, 4, 4, 8) for _ in range(len(nodes) + 1))
    ops = tuple(
        Op(
            "ADD" if supported else "ELU",
            1,
            tuple(sorted({place % (index + 1) for place in inputs})),
            (index + 1,),
        )
        for index, (supported, inputs) in enumerate(nodes)
    )
    reasons = check(Graph(tensors, ops))
    mapped = [reason is None for reason in reasons]
    assert all(supported for (supported, _), here in zip(nodes, mapped, strict=True) if here)
    assert any(mapped) == any(supported for supported, _ in nodes)
    if all(supported for supported, _ in nodes):
        assert all(mapped)
    after = set()  # tensors that need a mapped op and then one on the CPU
    seen = set()  # tensors that need a mapped op
    for op, here in zip(ops, mapped, strict=True):
        assert not (here and after.intersection(op.inputs))
        if here or seen.intersection(op.inputs):
            seen.update(op.outputs)
        if after.intersection(op.inputs) or (not here and seen.intersection(op.inputs)):
            after.update(op.outputs)


CONV = {"dilationWFactor": 1, "dilationHFactor": 1}
FILTER = constant(*([1] * 64), kind="int8", shape=(8, 1, 1, 8))
MAPS = image(1, 4, 4, 8)


@pytest.mark.parametrize(
    ("name", "inputs", "output", "options", "reason"),
    [
        ("CONV_2D", [MAPS, FILTER], MAPS, CONV, None),
        ("CONV_2D", [MAPS, FILTER], MAPS, CONV | {"dilationWFactor": 2}, "another dilation"),
        ("CONV_2D", [image(1, 4, 4, 16), FILTER], MAPS, CONV, "grouped"),
        ("CONV_2D", [MAPS, image(8, 1, 1, 8)], MAPS, CONV, "not constant"),
        ("RELU", [image(2, 4, 4, 8)], image(2, 4, 4, 8), {}, "2x4x4x8"),
        ("RELU", [image(1, 1, 4, 4, 8)], image(1, 1, 4, 4, 8), {}, None),
        ("MEAN", [MAPS, constant(1, 2)], image(1, 8), {}, None),
        ("MEAN", [MAPS, constant(-1)], image(1, 4, 4), {}, None),
        ("MEAN", [image(1, 4, 4, 6), constant(3)], image(1, 4, 4), {}, "multiple of 4"),
        ("MEAN", [MAPS, constant(0)], image(4, 4, 8), {}, "batch"),
        ("MEAN", [MAPS, image(2, kind="INT32")], image(1, 8), {}, "not constant"),
        ("SUM", [MAPS, constant(-4)], image(4, 4, 8), {}, "batch"),
        ("PAD", [MAPS, constant(0, 0, 1, 1, 1, 1, 0, 0)], image(1, 6, 6, 8), {}, None),
        ("PAD", [MAPS, constant(0, 1, 0, 0, 0, 0, 0, 0)], MAPS, {}, "batch"),
        ("SOFTMAX", [image(1, 2)], image(1, 2), {}, None),
        ("SOFTMAX", [image(1, 20_000)], image(1, 20_000), {}, "16000"),
        ("SOFTMAX", [image(4, 4)], image(4, 4), {}, "more than one dimension"),
        ("MAX_POOL_2D", [MAPS], MAPS, {"fusedActivationFunction": 0}, None),
        ("MAX_POOL_2D", [MAPS], MAPS, {"fusedActivationFunction": 3}, "activation"),
        ("PRELU", [MAPS, constant(*range(8), kind="int8", shape=(1, 1, 8))], MAPS, {}, None),
        ("PRELU", [MAPS, constant(*range(16), kind="int8", shape=(4, 4, 1))], MAPS, {}, "slope"),
        ("SPLIT", [constant(3), MAPS], image(1, 4, 4, 4), {}, None),
        ("SPLIT", [constant(0), MAPS], MAPS, {}, "batch"),
        ("PACK", [image(4, 8), image(4, 8)], image(2, 4, 8), {"axis": 0}, None),
        ("PACK", [image(4, 4, 8)], MAPS, {"axis": 0}, "batch"),
        ("SQUEEZE", [image(1, 1, 5, 8)], image(5, 8), {}, None),
        ("SQUEEZE", [image(1, 5, 1, 8)], image(5, 8), {}, "in front"),
        ("RESIZE_BILINEAR", [MAPS, constant(8, 8)], image(1, 8, 8, 8), {}, None),
        ("RESIZE_BILINEAR", [MAPS, constant(9, 9)], image(1, 9, 9, 8), {}, "not whole"),
        (
            "CONCATENATION",
            [MAPS, constant(*([0] * 128), kind="int8", shape=(1, 4, 4, 8))],
            image(1, 4, 4, 16),
            {"fusedActivationFunction": 0},
            None,
        ),
        (
            "CONCATENATION",
            [MAPS, constant(*([1] * 128), kind="int8", shape=(1, 4, 4, 8))],
            image(1, 4, 4, 16),
            {"fusedActivationFunction": 0},
            "zeros",
        ),
        (
            "STRIDED_SLICE",
            [MAPS, constant(0, 0), constant(1, 4), constant(1, 2)],
            image(1, 2, 4, 8),
            {"ellipsisMask": 0, "newAxisMask": 0},
            "stride",
        ),
        (
            "STRIDED_SLICE",
            [MAPS, constant(0, 0), constant(1, 4), constant(1, 1)],
            MAPS,
            {"ellipsisMask": 0, "newAxisMask": 1},
            "new axis",
        ),
        (
            "FULLY_CONNECTED",
            [image(4, 8), constant(*([1] * 16), kind="int8", shape=(2, 8))],
            image(4, 2),
            {"weightsFormat": 0},
            "more than one dimension",
        ),
        (
            "FULLY_CONNECTED",
            [image(1, 8), constant(*([1] * 16), kind="int8", shape=(2, 8))],
            image(1, 2),
            {"weightsFormat": 1},
            "another format",
        ),
        ("TRANSPOSE_CONV", [constant(1, 8, 8, 8), FILTER, MAPS], image(1, 8, 8, 8), {}, None),
    ],
)
def test_the_limits_of_corals_table(name, inputs, output, options, reason):
    found = verdict(name, inputs, output, **options)
    if reason is None:
        assert found is None
    else:
        assert reason in (found or "")
