"""TensorFlow Lite Micro as a target: the model run in its interpreter."""

import pytest


def test_a_small_network_runs_as_in_litert(small, compiled):
    result = compiled(small, "tflite-micro")
    target = result.target
    assert target.compiled
    assert target.bytes == small.stat().st_size
    assert 3 < target.arena_kib < 6
    assert target.max_difference == 0
    assert (target.mapped_share, target.file) == (None, None)
    assert result.report.gates == ()


@pytest.mark.parametrize(("most", "passed"), [(3, False), (6, True)])
def test_the_arena_is_gated(small, compiled, most, passed):
    result = compiled(small, {"name": "tflite-micro", "max_arena_kib": most})
    (gate,) = result.report.gates
    assert (gate.key, gate.passed) == ("compile.targets[0].max_arena_kib", passed)
    assert f"KiB of arena used (allowed: {most}.0)" in gate.message


def test_an_op_that_it_does_not_have_is_named(keras, network, export, compiled):
    result = compiled(export(network(keras.layers.Activation("gelu"))), "tflite-micro")
    assert not result.target.compiled
    assert "Didn't find op for builtin opcode 'GELU'" in result.target.reasons[0]
    (gate,) = result.report.gates
    assert (gate.key, gate.passed) == ("compile.targets[0]", False)


def test_an_interpreter_that_aborts_ends_only_its_own_process(keras, network, export, compiled):
    # Outputs this near to nought have a scale that the softmax kernel's check aborts on.
    nothing = keras.initializers.RandomNormal(stddev=1e-9)
    result = compiled(export(network(head=nothing)), "tflite-micro", "ethos-u55-256")
    aborted, fine = result.report.targets
    assert aborted.reasons == ("the interpreter ended its process by SIGABRT",)
    assert fine.compiled
