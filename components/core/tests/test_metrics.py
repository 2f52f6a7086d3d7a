import numpy as np
import pytest
from coralline_core.metrics import calibration_error, evaluate, wilson_interval
from hypothesis import given
from hypothesis import strategies as st

ROUNDING = 1e-9


def sure(predicted, labels):
    return np.eye(labels)[predicted]


def test_hand_computed():
    # true a a a b b c, predicted a a b b c c
    true = np.array([0, 0, 0, 1, 1, 2])
    found = evaluate(["a", "b", "c"], true, sure([0, 0, 1, 1, 2, 2], 3))
    assert found.confusion == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert found.n == 6
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.interval == wilson_interval(4, 6)
    a, b, c = (found.classes[label] for label in "abc")
    assert (a.precision, a.recall, a.f1, a.n) == pytest.approx((1, 2 / 3, 4 / 5, 3))
    assert (b.precision, b.recall, b.f1, b.n) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert (c.precision, c.recall, c.f1, c.n) == pytest.approx((1 / 2, 1, 2 / 3, 1))


def test_a_label_without_rows_counts_for_nothing():
    found = evaluate(["a", "b", "c"], np.array([0, 0, 1]), sure([0, 1, 1], 3))
    c = found.classes["c"]
    assert (c.precision, c.recall, c.f1, c.n) == (0, 0, 0, 0)
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 1) / 2)


def test_no_rows_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        evaluate(["a", "b"], np.array([], int), np.zeros((0, 2)))


def test_it_is_written_and_read_as_json(tmp_path):
    found = evaluate(["a", "b"], np.array([0, 1]), sure([0, 0], 2).astype(np.float32))
    found.write(tmp_path / "metrics.json")
    assert type(found).read(tmp_path / "metrics.json") == found


def test_calibration_error_of_the_sure():
    assert calibration_error(np.array([0, 1]), sure([0, 1], 2)) == 0
    assert calibration_error(np.array([0, 1]), sure([1, 0], 2)) == 1


def test_calibration_error_by_hand():
    # Bin [12/15, 13/15): two rows claimed at 0.8 and 0.82, one right: |1 - 1.62| / 4 rows.
    # Bin [9/15, 10/15): two rows claimed at 0.62 and 0.64, both right: |2 - 1.26| / 4 rows.
    first = np.array([0.8, 0.82, 0.62, 0.64])
    probabilities = np.stack([first, 1 - first], axis=1)
    error = calibration_error(np.array([0, 1, 0, 0]), probabilities)
    assert error == pytest.approx((0.62 + 0.74) / 4)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(correct, n, low, high):
    assert wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


counts = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_an_interval_holds_its_share_within_0_and_1(count):
    correct, n = count
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n + ROUNDING
    assert correct / n - ROUNDING <= high <= 1
    assert low < high


@given(counts)
def test_an_interval_mirrors_that_of_the_wrong(count):
    correct, n = count
    low, high = wilson_interval(correct, n)
    assert wilson_interval(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=ROUNDING)


@given(counts)
def test_more_rows_or_less_confidence_narrow_an_interval(count):
    correct, n = count

    def width(correct, n, confidence=0.95):
        low, high = wilson_interval(correct, n, confidence)
        return high - low

    assert width(4 * correct, 4 * n) < width(correct, n)
    assert width(correct, n, 0.8) < width(correct, n)


@given(st.data(), st.integers(2, 5), st.integers(1, 30))
def test_measures_agree_with_each_other(data, labels, n):
    index = st.integers(0, labels - 1)
    true = np.array(data.draw(st.lists(index, min_size=n, max_size=n)))
    predicted = data.draw(st.lists(index, min_size=n, max_size=n))
    names = [f"label {i}" for i in range(labels)]
    found = evaluate(names, true, sure(predicted, labels))
    assert sum(map(sum, found.confusion)) == found.n == n
    assert [sum(row) for row in found.confusion] == [found.classes[name].n for name in names]
    right = sum(found.confusion[i][i] for i in range(labels))
    assert found.accuracy == pytest.approx(right / n)
    assert found.calibration_error <= 1 - found.accuracy + ROUNDING
