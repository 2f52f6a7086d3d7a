"""Properties of the paired bootstrap."""

import numpy as np
import pytest
from coralline_publisher.compare import bootstrap_interval
from hypothesis import given, settings
from hypothesis import strategies as st

differences = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=200).map(np.array)


@settings(max_examples=40, deadline=None)
@given(differences, st.integers(0, 5))
def test_swapping_the_two_models_mirrors_the_interval(values, seed):
    low, high = bootstrap_interval(values, 0.95, 500, seed)
    mirrored = bootstrap_interval(-values, 0.95, 500, seed)
    assert mirrored == pytest.approx((-high, -low))


@settings(max_examples=40, deadline=None)
@given(differences)
def test_an_interval_lies_within_what_can_be(values):
    low, high = bootstrap_interval(values, 0.95, 500, seed=1)
    assert values.min() <= low <= high <= values.max()
    wider = bootstrap_interval(values, 0.99, 500, seed=1)
    assert wider[0] <= low <= high <= wider[1]


def test_it_is_the_normal_interval_where_there_are_many_rows():
    values = np.repeat([1, 0, -1], [300, 1500, 200])
    half = 1.96 * values.std() / np.sqrt(len(values))
    expected = (values.mean() - half, values.mean() + half)
    assert bootstrap_interval(values, 0.95, 10_000, seed=1) == pytest.approx(expected, abs=2e-3)


def test_many_rows_are_drawn_in_parts_with_one_seed():
    values = np.tile([1, 0, 0, -1], 500_000)
    assert bootstrap_interval(values, 0.95, 5, 1) == bootstrap_interval(values, 0.95, 5, 1)


def test_it_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    drawn = generator.choice([-1, 0, 1], p=[0.15, 0.65, 0.2], size=(300, 150))
    intervals = [bootstrap_interval(row, 0.95, 400, seed=1) for row in drawn]
    covered = np.mean([low <= 0.05 <= high for low, high in intervals])
    assert 0.9 <= covered <= 0.98
