"""The Edge TPU as a target: with its compiler, which is a stand-in here, and without."""

import time
from pathlib import Path

import pytest
from coralline_core.errors import CorallineError

SUCCESS = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 313 ms.

Operator                       Count      Status

{rows}
Compilation child process completed within timeout period.
Compilation succeeded!
"""
WHOLE = SUCCESS.format(rows="CONV_2D                        10         Mapped to Edge TPU")
HALF = SUCCESS.format(
    rows="CONV_2D                        5          Mapped to Edge TPU\n"
    "CONV_2D                        5          More than one subgraph is not supported"
)
NOTHING = SUCCESS.format(rows="CONV_2D                        10         Operation not supported")
CRASH = "Edge TPU Compiler version 14.1.317412892\n\nInternal compiler error. Aborting! \n"
TOO_LARGE = "Compilation failed due to large activation tensors in model.\nCompilation failed!\n"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("no_compiler")
def test_without_the_compiler_the_check_speaks(small, compiled):
    result = compiled(small, "edgetpu")
    target = result.target
    assert (target.compiled, target.predicted, target.mapped_share) == (False, True, 1.0)
    assert target.file is None
    assert target.reasons == (
        "not compiled: edgetpu_compiler is not installed. Install it from Coral's Debian "
        "repository (x86-64): https://coral.ai/docs/edgetpu/compiler",
    )
    (gate,) = result.report.gates
    assert gate.passed
    assert "as the static check predicts" in gate.message


@pytest.mark.usefixtures("no_compiler")
def test_the_check_names_what_would_stay_on_the_cpu(elu, compiled):
    result = compiled(elu, {"name": "edgetpu", "min_mapped_share": 0.4})
    assert "1 x ELU: operation not supported" in result.target.reasons
    assert sum(op.count for op in result.target.ops) == 13
    (gate,) = result.report.gates
    assert (gate.key, gate.passed) == ("compile.targets[0].min_mapped_share", False)
    assert "38.5% of the ops" in gate.message
    assert "wanted: 40.0%" in gate.message


@pytest.mark.usefixtures("no_compiler")
def test_a_required_compiler_is_an_error_before_anything_is_touched(small, compiled, tmp_path):
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled/kept").touch()
    with pytest.raises(CorallineError, match="edgetpu_compiler is not installed") as caught:
        compiled(small, "tflite-micro", {"name": "edgetpu", "required": True})
    assert "coral.ai" in (caught.value.fix or "")
    assert names(tmp_path) == ["compiled"]
    assert names(tmp_path / "compiled") == ["kept"]


def test_the_compiler_is_run_and_believed_by_its_table(small, compiled, compiler):
    arguments = compiler(HALF)
    result = compiled(small, {"name": "edgetpu", "timeout": 77})
    target = result.target
    assert (target.compiled, target.predicted, target.mapped_share) == (True, False, 0.5)
    assert target.reasons == ("5 x CONV_2D: More than one subgraph is not supported",)
    assert target.file == "model_int8_edgetpu.tflite"
    assert target.bytes == len("compiled\n")
    assert (result.folder / target.file).read_text() == "compiled\n"
    assert (result.folder / "edgetpu.log").read_text() == HALF
    assert not result.report.gates[0].passed
    (run,) = arguments.read_text().splitlines()
    assert run.startswith("-s -t 77 -o ")


def test_success_with_nothing_mapped_is_not_compiled(small, compiled, compiler):
    compiler(NOTHING)
    result = compiled(small, "edgetpu")
    assert (result.target.compiled, result.target.mapped_share) == (False, 0.0)
    assert not result.report.gates[0].passed


def test_a_crash_is_tried_once_more(small, compiled, compiler):
    arguments = compiler(CRASH, WHOLE)
    result = compiled(small, "edgetpu")
    assert result.target.compiled
    assert result.report.gates[0].passed
    assert len(arguments.read_text().splitlines()) == 2


def test_a_second_crash_is_reported(small, compiled, compiler):
    compiler(CRASH, CRASH, code=1, writes=False)
    result = compiled(small, {"name": "edgetpu", "min_mapped_share": 0})
    target = result.target
    assert (target.compiled, target.mapped_share, target.file) == (False, None, None)
    assert target.reasons[0] == (
        "not compiled: Internal compiler error. Aborting! (see edgetpu.log)"
    )
    (gate,) = result.report.gates
    assert (gate.key, gate.passed) == ("compile.targets[0]", False)
    assert "Internal compiler error" in gate.message


def test_other_failures_are_not_tried_again(small, compiled, compiler):
    arguments = compiler(TOO_LARGE)
    result = compiled(small, "edgetpu")
    assert "large activation tensors" in result.target.reasons[0]
    assert names(result.folder) == ["edgetpu.log"]
    assert len(arguments.read_text().splitlines()) == 1


def test_a_compiler_that_writes_nothing_is_not_believed(small, compiled, compiler):
    compiler(WHOLE, writes=False)
    result = compiled(small, "edgetpu")
    assert result.target.reasons[0] == "not compiled: the compiler wrote no file (see edgetpu.log)"


def test_a_compiler_that_hangs_is_ended_with_its_children(small, compiled, compiler, monkeypatch):
    monkeypatch.setattr("coralline_edgetpu_compiler.edgetpu._GRACE", 0)
    child = compiler(WHOLE, seconds=60).with_name("working")
    result = compiled(small, {"name": "edgetpu", "timeout": 1})
    assert "no answer within 1 s" in result.target.reasons[0]
    deadline = time.monotonic() + 10
    while _runs(int(child.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(process):
    status = Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
