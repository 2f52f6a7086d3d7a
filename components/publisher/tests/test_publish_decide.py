"""The rules by which a challenger becomes champion."""

from datetime import UTC, datetime

import numpy as np
import pytest
from coralline_core.metrics import evaluate
from coralline_core.reports import Gate
from coralline_publisher.champion import Champion
from coralline_publisher.decide import Challenger, decide, floor_gate
from coralline_publisher.settings import PublishOptions


def predicted(n, wrong=(), split="test", first=0):
    return [
        {"crop": f"{i}:0", "split": split, "label": "a", "predicted": "b" if i in wrong else "a"}
        for i in range(first, first + n)
    ]


def challenger(rows, options, labels=("a", "b"), gates=()):
    right = np.array([[row["predicted"] == "a", row["predicted"] == "b"] for row in rows], float)
    test = evaluate(["a", "b"], np.zeros(len(rows), int), right)
    return Challenger("new", labels, test, rows, (*gates, floor_gate(options, test)))


def champion(labels=("a", "b"), behind=0.0, version="old"):
    return Champion(
        version=version,
        published_at=datetime.now(UTC),
        name="x",
        dataset="d",
        labels=labels,
        accuracy=1.0,
        n=1,
        previous=None,
        behind=behind,
    )


def decided(n, ours, theirs, behind=0.0, **options):
    settings = PublishOptions(min_accuracy=0.5, **options)
    new = challenger(predicted(n, ours), settings)
    return decide(settings, new, champion(behind=behind), lambda _: predicted(n, theirs))


@pytest.mark.parametrize(("wrong", "published"), [(8, True), (9, False)])
def test_a_first_model_must_reach_the_floor(wrong, published):
    options = PublishOptions(min_accuracy=0.8)
    decision = decide(options, challenger(predicted(40, range(wrong)), options), None, list)
    assert decision.publish is published
    assert "publish.min_accuracy" in decision.sentence or published


def test_a_champion_is_not_replaced_by_a_model_below_the_floor():
    options = PublishOptions(min_accuracy=0.9)
    new = challenger(predicted(40, range(10)), options)
    decision = decide(options, new, champion(), lambda _: predicted(40, range(20)))
    assert not decision.publish
    assert decision.sentence.startswith("kept the champion old: a gate failed")


def test_better_and_equal_challengers_are_published():
    assert decided(60, ours=(1,), theirs=(1, 2, 3)).publish
    assert decided(60, ours=(1, 2), theirs=(1, 2)).comparison.interval == (0, 0)
    # As many right, but others: the interval is wide, and says nothing against it.
    swapped = decided(60, ours=(1, 2), theirs=(3, 4))
    assert swapped.publish
    assert swapped.comparison.interval[0] < 0 < swapped.comparison.interval[1]


@pytest.mark.parametrize(("crops", "few"), [(29, True), (30, False)])
def test_a_comparison_on_few_crops_says_so(crops, few):
    assert ("too few to say much" in decided(crops, ours=(), theirs=()).sentence) is few


def test_a_clearly_worse_challenger_is_kept_back():
    decision = decided(60, ours=range(20), theirs=())
    assert not decision.publish
    assert "worse" in decision.sentence
    assert decision.comparison.interval[1] < 0


def test_noise_does_not_excuse_a_loss_on_few_crops():
    decision = decided(60, ours=(1, 2), theirs=(1,))
    assert decision.comparison.interval[1] >= 0
    assert not decision.publish
    assert decided(60, ours=(1, 2), theirs=(1,), tolerance=0.02).publish


def test_a_small_but_sure_loss_on_many_crops_is_found():
    decision = decided(4000, ours=range(30), theirs=())
    assert -0.01 < decision.comparison.difference < 0
    assert not decision.publish
    assert "worse" in decision.sentence


def test_losses_within_the_tolerance_do_not_add_up_over_many_runs():
    first = decided(500, ours=(1, 2, 3), theirs=(0, 1))
    assert first.publish
    assert first.behind == pytest.approx(0.002)
    night, behind, lost = 0, 0.0, 0.0
    for night in range(20):
        wrong, before = {night, 100 + night, 101 + night}, {night, 200 + night}
        decision = decided(500, ours=wrong, theirs=before, behind=behind)
        if not decision.publish:
            break
        behind, lost = decision.behind, lost - decision.comparison.difference
    assert night == 5  # five losses of 0.2 points make 1 point
    assert lost == pytest.approx(0.01)
    # A gain makes good what was lost.
    gain = decided(500, ours=(), theirs=range(3), behind=behind)
    assert gain.publish
    assert gain.behind == pytest.approx(0.004)


def test_other_labels_or_other_crops_make_a_first_model():
    options = PublishOptions()
    new = challenger(predicted(40), options)
    other = decide(options, new, champion(labels=("a", "c")), lambda _: predicted(40))
    assert other.publish
    assert "other labels" in other.sentence
    apart = decide(options, new, champion(), lambda _: predicted(40, first=100))
    assert apart.publish
    assert "shares no test crop" in apart.sentence


def test_only_the_test_split_is_compared():
    options = PublishOptions(min_accuracy=0)
    rows = predicted(10) + predicted(50, range(100), split="validation", first=10)
    decision = decide(options, challenger(rows, options), champion(), lambda _: predicted(60))
    assert decision.comparison.n == 10
    assert decision.comparison.difference == 0


def test_a_failed_gate_keeps_a_perfect_model_back():
    options = PublishOptions()
    failed = Gate(key="convert.min_agreement", passed=False, message="agree on 50%")
    decision = decide(options, challenger(predicted(40), options, gates=(failed,)), None, list)
    assert not decision.publish
    assert decision.sentence == (
        "not published: a gate failed: convert.min_agreement: agree on 50%"
    )


def test_the_challengers_label_is_the_truth():
    options = PublishOptions(min_accuracy=0)
    ours = [{"crop": "1:0", "split": "test", "label": "b", "predicted": "b"}]
    theirs = [{"crop": "1:0", "split": "test", "label": "a", "predicted": "a"}]
    decision = decide(options, challenger(ours, options), champion(), lambda _: theirs)
    assert decision.comparison.champion == 0
