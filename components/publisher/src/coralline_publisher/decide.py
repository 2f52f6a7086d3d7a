"""Whether a challenger takes the champion's place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coralline_core.reports import Gate

from coralline_publisher.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from coralline_core.metrics import Evaluation

    from coralline_publisher.champion import Champion
    from coralline_publisher.compare import Rows
    from coralline_publisher.report import Comparison
    from coralline_publisher.settings import PublishOptions

STORE = "store"  # the key of the gate

_ROUNDING = 1e-9  # differences are multiples of 1/n, and floats
_FEW = 30  # test crops, below which the interval is hardly worth its name


@dataclass(frozen=True)
class Challenger:
    """A model that would be champion."""

    version: str
    labels: tuple[str, ...]
    test: Evaluation
    """Of the int8 model."""
    rows: Rows
    """Its int8 predictions."""
    gates: tuple[Gate, ...]
    """All that it must pass, whatever the champion."""


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why."""

    publish: bool
    sentence: str
    comparison: Comparison | None = None
    behind: float = 0.0
    """See PublishReport."""


def floor_gate(options: PublishOptions, test: Evaluation) -> Gate:
    """Hold the floor of the `publish` section against the int8 model's test accuracy."""
    passed = test.accuracy >= options.min_accuracy - _ROUNDING
    fix = "" if passed else "; crawl more images, correct labels, or train for longer"
    return Gate(
        key="publish.min_accuracy",
        passed=passed,
        message=f"int8 is {test.accuracy:.1%} accurate on {test.n} test crops "
        f"(floor: {options.min_accuracy:.1%}){fix}",
    )


def store_gate(name: str, champion: Champion | None) -> Gate:
    """Hold the champion's project against this one's: a store has room for one champion."""
    if champion is None:
        return Gate(key=STORE, passed=True, message="the store has no champion yet")
    if champion.name == name:
        return Gate(key=STORE, passed=True, message="the store's champion is of this project")
    return Gate(
        key=STORE,
        passed=False,
        message=f"the store's champion is of project {champion.name}, this is {name}: give each "
        "project a store of its own, or delete champion.json",
    )


def only_answer(test: Evaluation) -> str | None:
    """The label that a model gives to every test crop, where there are others to give.

    At a low floor no gate sees it: of two labels, such a model has half of the crops right.
    """
    said = [
        label
        for label, count in zip(
            test.classes, map(sum, zip(*test.confusion, strict=True)), strict=True
        )
        if count
    ]
    true = [label for label, measured in test.classes.items() if measured.n]
    return said[0] if len(said) == 1 < len(true) else None


def decide(
    options: PublishOptions,
    challenger: Challenger,
    champion: Champion | None,
    champion_rows: Callable[[Champion], Rows],
) -> Decision:
    """Decide by the gates, and then against the champion on the same test crops.

    A challenger is *no worse* if both hold:

    1. The paired bootstrap does not show it to be worse: the interval of the difference in
       accuracy, challenger less champion, is not wholly below 0. With many test crops this
       catches a loss that is small but real.
    2. It is behind the best champion so far by no more than `tolerance`, the losses of the
       champions in between included. With few test crops the interval excuses losing several of
       them; alone, it would let nightly runs walk the accuracy down, each step within the noise.
       At 1% and fewer than 100 test crops not one may be lost on balance.

    A champion of other labels, or one that shares no test crop, cannot be compared with: the
    challenger is then a first model, for which the gates are all.

    Args:
        options: The `publish` section.
        challenger: The new model.
        champion: The champion, if there is one.
        champion_rows: Reads a champion's int8 predictions.
    """
    decision = _decide(options, challenger, champion, champion_rows)
    only = only_answer(challenger.test)
    if only is None:
        return decision
    sentence = f"{decision.sentence}; the model says {only!r} of every test crop"
    return replace(decision, sentence=sentence)


def _decide(
    options: PublishOptions,
    challenger: Challenger,
    champion: Champion | None,
    champion_rows: Callable[[Champion], Rows],
) -> Decision:
    failed = [gate for gate in challenger.gates if not gate.passed]
    if failed:
        why = "; ".join(f"{gate.key}: {gate.message}" for gate in failed)
        return Decision(
            publish=False,
            sentence=f"{_kept(champion)}: a gate failed: {why}",
            behind=champion.behind if champion else 0.0,
        )
    if champion is None:
        return _first(challenger, "there was no champion")
    if champion.version == challenger.version:
        return Decision(
            publish=True,
            sentence=f"published before: the champion {champion.version} is this very model",
            behind=champion.behind,
        )
    if set(champion.labels) != set(challenger.labels):
        return _first(
            challenger,
            f"the champion {champion.version} has other labels ({', '.join(champion.labels)}, "
            f"not {', '.join(challenger.labels)}) and cannot be compared with",
        )
    comparison = compare(challenger.rows, champion_rows(champion), options)
    if comparison is None:
        return _first(challenger, f"the champion {champion.version} shares no test crop with it")
    return _against(options, champion, comparison)


def _against(options: PublishOptions, champion: Champion, comparison: Comparison) -> Decision:
    behind = max(0.0, champion.behind - comparison.difference)
    if comparison.interval[1] < -_ROUNDING:
        why = "the challenger is worse"
    elif behind > options.tolerance + _ROUNDING:
        before = ", with what champions lost before it" if champion.behind else ""
        why = (
            f"the challenger is {100 * behind:.1f} points behind{before}, "
            f"more than the {100 * options.tolerance:.1f} tolerated"
        )
    else:
        verdict = f"published: no worse than the champion {champion.version}"
        return Decision(True, f"{verdict}; {_numbers(comparison)}", comparison, behind)
    sentence = f"{_kept(champion)}: {why}; {_numbers(comparison)}"
    return Decision(False, sentence, comparison, champion.behind)


def _first(challenger: Challenger, why: str) -> Decision:
    return Decision(
        publish=True,
        sentence=f"published as a first model, since {why}: int8 is {challenger.test.accuracy:.1%} "
        f"accurate on {challenger.test.n} test crops, and every gate is passed",
    )


def _kept(champion: Champion | None) -> str:
    return f"kept the champion {champion.version}" if champion else "not published"


def _numbers(comparison: Comparison) -> str:
    low, high = (100 * bound for bound in comparison.interval)
    few = ", which are too few to say much" if comparison.n < _FEW else ""
    return (
        f"{comparison.challenger:.1%} against {comparison.champion:.1%} on the same "
        f"{comparison.n} test crops (difference {100 * comparison.difference:+.1f} points, "
        f"{comparison.confidence:.0%} interval {low:+.1f} to {high:+.1f}){few}"
    )
