"""What edgetpu_compiler prints, composed to the format that its users show."""

import pytest
from coralline_edgetpu_compiler.edgetpu import parse_log
from coralline_edgetpu_compiler.report import mapped_share, reasons
from hypothesis import given
from hypothesis import strategies as st

VERSION = "Edge TPU Compiler version 16.0.384591198\n"
TIMER = "Started a compilation timeout timer of 180 seconds.\n"
TABLE = "Operator                       Count      Status\n\n"
CHILD = "Compilation child process completed within timeout period.\n"
STATUSES = (
    "Mapped to Edge TPU",
    "More than one subgraph is not supported",
    "Operation is otherwise supported, but not mapped due to some unspecified limitation",
    "Operation is working on an unsupported data type",
    "Operation not supported",
    "Operation version not supported",
    "Filter, bias, or other param is not constant at compile-time",
    "Tensor has unsupported rank (up to 3 innermost dimensions mapped)",
)


def statistics(mapped, on_cpu):
    return f"""
Model compiled successfully in 3173 ms.

Input model: model_int8.tflite
Input size: 585.09KiB
Output model: model_int8_edgetpu.tflite
Output size: 842.75KiB
On-chip memory used for caching model parameters: 637.00KiB
On-chip memory remaining for caching model parameters: 7.07MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: {mapped + on_cpu}
Operation log: model_int8_edgetpu.log

Number of operations that will run on Edge TPU: {mapped}
Number of operations that will run on CPU: {on_cpu}

"""


def rows(*ops):
    return "".join(f"{op:<30} {count:<10} {status}\n" for op, count, status in ops)


def test_an_op_stands_there_once_a_status():
    log = parse_log(
        VERSION
        + TIMER
        + statistics(37, 2)
        + TABLE
        + rows(
            ("CONV_2D", 35, STATUSES[0]),
            ("TRANSPOSE", 1, STATUSES[2]),
            ("QUANTIZE", 2, STATUSES[0]),
            ("QUANTIZE", 1, STATUSES[1]),
        )
        + CHILD
        + "Compilation succeeded! \n"
    )
    assert log.error is None
    assert mapped_share(log.ops) == 37 / 39
    assert reasons(log.ops) == (f"1 x TRANSPOSE: {STATUSES[2]}", f"1 x QUANTIZE: {STATUSES[1]}")


@pytest.mark.parametrize("version", ["14.1.317412892", "15.0.340273435"])
def test_older_versions_end_without_a_word(version):
    table = TABLE + rows(("CONV_2D", 35, STATUSES[0]))
    log = parse_log(f"Edge TPU Compiler version {version}\n{statistics(35, 0)}{table}")
    assert (log.error, mapped_share(log.ops)) == (None, 1.0)


def test_success_with_nothing_mapped_is_seen():
    table = TABLE + rows(("CONV_2D", 35, STATUSES[3]))
    log = parse_log(
        VERSION + TIMER + statistics(0, 35) + table + CHILD + "Compilation succeeded!\n"
    )
    assert (log.error, mapped_share(log.ops)) == (None, 0.0)


def test_success_without_a_table_is_not_believed():
    log = parse_log(VERSION + TIMER + statistics(35, 0) + CHILD + "Compilation succeeded!\n")
    assert log.error == "its log has no table of ops"


@pytest.mark.parametrize(
    ("printed", "error"),
    [
        ("\nInternal compiler error. Aborting! \n", "Internal compiler error. Aborting!"),
        (
            "Invalid model: model_int8.tflite\nModel not quantized\n",
            "Invalid model: model_int8.tflite; Model not quantized",
        ),
        (
            TIMER
            + "ERROR: Attempting to use a delegate that only supports static-sized tensors with a "
            "graph that has dynamic-sized tensors.\n"
            "Compilation failed: Model failed in Tflite interpreter.\n"
            + CHILD
            + "Compilation failed! \n",
            "ERROR: Attempting to use a delegate that only supports static-sized tensors with a "
            "graph that has dynamic-sized tensors.; "
            "Compilation failed: Model failed in Tflite interpreter.",
        ),
        (
            TIMER
            + "Compilation failed due to large activation tensors in model.\n"
            + CHILD
            + "Compilation failed! \n",
            "Compilation failed due to large activation tensors in model.",
        ),
        (
            TIMER
            + "ERROR: Didn't find op for builtin opcode 'TRANSPOSE_CONV' version '4'\n"
            + CHILD
            + "Compilation failed! \n",
            "ERROR: Didn't find op for builtin opcode 'TRANSPOSE_CONV' version '4'",
        ),
        (TIMER + CHILD + "Compilation failed! \n", "Compilation failed!"),
        (
            "/usr/bin/edgetpu_compiler: line 3: 1531 Segmentation fault (core dumped)\n",
            "/usr/bin/edgetpu_compiler: line 3: 1531 Segmentation fault (core dumped)",
        ),
        ("", "the compiler said nothing"),
    ],
)
def test_a_failure_says_what_the_compiler_said(printed, error):
    assert parse_log(VERSION + printed).error == error


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["ADD", "CONV_2D", "MAX_POOL_2D", "CUSTOM"]),
        st.integers(1, 999),
        st.sampled_from(STATUSES),
    ),
    min_size=1,
    unique_by=lambda row: (row[0], row[2]),
)


@given(ROWS)
def test_every_row_is_read(table):
    total = sum(count for _, count, _ in table)
    mapped = sum(count for _, count, status in table if status == STATUSES[0])
    log = parse_log(VERSION + TIMER + statistics(mapped, total - mapped) + TABLE + rows(*table))
    assert [(op.op, op.count, op.reason or STATUSES[0]) for op in log.ops] == table
    assert mapped_share(log.ops) == pytest.approx(mapped / total)
