"""From what the steps made to a version, a decision and the run's report."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from coralline_core.errors import CorallineError
from coralline_core.model import INT8_PREDICTIONS
from coralline_core.reports import Gate

from coralline_publisher.champion import Champion, UnreadableChampionError, read_predictions, upload
from coralline_publisher.credits import CREDITS
from coralline_publisher.decide import (
    STORE,
    Challenger,
    decide,
    floor_gate,
    only_answer,
    store_gate,
)
from coralline_publisher.folder import assemble, seal
from coralline_publisher.page import CARD, model_card, report_page
from coralline_publisher.report import PublishReport
from coralline_publisher.summary import summarise

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_publisher.decide import Decision
    from coralline_publisher.inputs import Inputs
    from coralline_publisher.settings import PublishSettings

_ATTEMPTS = 10


def publish(
    settings: PublishSettings, inputs: Inputs, store: Store, folder: Path, progress: Progress
) -> PublishReport:
    """Make a version of a model, decide whether it becomes champion, and report on the run.

    The folder gets model/ (the version), summary.json and report.html, whatever the decision. Only
    a model that is to be champion goes into the store, at `models/<version>/`: one that is kept
    back is nobody's to use, and stays in its run's folder.

    A version is complete once its SHA256SUMS is there, which is put last; champion.json is
    replaced after that, by compare-and-swap. So the champion is complete whenever the process
    dies, and publishing the same model again changes nothing.

    Args:
        settings: The `publish` section and the project's name.
        inputs: What the other steps made.
        store: Where the champion is.
        folder: Where to write; whole or absent, and what is there is replaced.
        progress: Hears how many files are in the store, and what is odd about the model.

    Raises:
        CorallineError: A file is missing or wrong, or other runs keep replacing the champion.
    """
    started = time.monotonic()
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    model = unfinished / "model"
    assemble(inputs.model, inputs.converted, inputs.compiled, model)
    (model / CREDITS).write_bytes(inputs.credits)
    (model / CARD).write_text(model_card(settings, inputs), encoding="utf-8")
    int8 = inputs.convert.int8_test
    challenger = Challenger(
        version=seal(model),
        labels=inputs.spec.labels,
        test=int8,
        rows=read_predictions(model / INT8_PREDICTIONS),
        gates=(*inputs.convert.gates, *inputs.compile.gates, floor_gate(settings, int8)),
    )
    only = only_answer(int8)
    if only is not None:
        progress.warn(f"the int8 model says {only!r} of every test crop: it has learnt nothing")
    outcome = _contend(settings, inputs, challenger, store, model, progress)
    decision = outcome.decision
    result = PublishReport(
        published=decision.publish,
        version=outcome.version if decision.publish else None,
        decision=decision.sentence,
        champion=outcome.before.version if outcome.before else None,
        comparison=decision.comparison,
        behind=decision.behind,
        floor=settings.min_accuracy,
        gates=outcome.gates,
        seconds=time.monotonic() - started,
    )
    summarise(inputs, result).write(unfinished / "summary.json")
    page = report_page(settings, inputs, result, model)
    (unfinished / "report.html").write_text(page, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return result


class _Outcome(NamedTuple):
    """How it went against the champion."""

    decision: Decision
    before: Champion | None
    """The champion that was decided against."""
    version: str
    """The model's: the champion's own where they are one model."""
    gates: tuple[Gate, ...]
    """All of them, the store's included."""


def _contend(
    settings: PublishSettings,
    inputs: Inputs,
    challenger: Challenger,
    store: Store,
    model: Path,
    progress: Progress,
) -> _Outcome:
    """Decide, and become champion if so decided; anew whenever another run was faster."""
    for _ in range(_ATTEMPTS):
        champion, etag, gate = _look(settings, store)
        known = champion is not None and champion.is_model(model, store)
        version = champion.version if champion and known else challenger.version
        gates = (*challenger.gates, gate)
        contender = replace(challenger, version=version, gates=gates)
        decision = decide(settings, contender, champion, lambda c: c.predictions(store))
        if known or not decision.publish:
            return _Outcome(decision, champion, version, gates)
        upload(store, model, version, progress)
        successor = Champion(
            version=version,
            published_at=datetime.now(UTC),
            name=settings.name,
            dataset=inputs.crops.id,
            labels=challenger.labels,
            accuracy=challenger.test.accuracy,
            n=challenger.test.n,
            previous=champion.version if champion else None,
            behind=decision.behind,
        )
        if successor.replace(store, etag):
            return _Outcome(decision, champion, version, gates)
        progress.warn("another run published meanwhile; deciding again")
    raise CorallineError(
        f"other runs replaced the champion {_ATTEMPTS} times while this one decided",
        where=store.uri,
        fix="Run again once they are done.",
    )


def _look(settings: PublishSettings, store: Store) -> tuple[Champion | None, str | None, Gate]:
    """The champion and its etag, if there is one, and whether this project may replace it.

    A champion.json that cannot be read fails the gate and is no error: the run's folder gets what
    took hours to train.
    """
    try:
        champion, etag = Champion.load(store)
    except UnreadableChampionError as error:
        return None, None, Gate(key=STORE, passed=False, message=str(error).rstrip("."))
    return champion, etag, store_gate(settings.name, champion)
