"""summary.json: a run in a few numbers, for machines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Self

from coralline_core.reports import Gate, Report

if TYPE_CHECKING:
    from coralline_core.metrics import Evaluation

    from coralline_publisher.inputs import Inputs
    from coralline_publisher.report import PublishReport


class Images(Report):
    """What became of what was found: all that was crawled was either kept or rejected."""

    crawled: int
    """Addresses that all crawls into the store came upon, for the project's labels."""
    fetched: int
    """Images that are new in this run."""
    kept: int
    """Photos of which the dataset has crops."""
    rejected: dict[str, int]
    """By reason: the crawler's, the curator's and the cropper's together. `too-small` also counts
    single faces of photos that were kept for another."""


class Measured(Report):
    """Accuracy on the test split."""

    accuracy: float
    n: int
    interval: tuple[float, float]
    """95%, Wilson's."""

    @classmethod
    def of(cls, evaluation: Evaluation) -> Self:
        """The short form of an evaluation."""
        return cls(accuracy=evaluation.accuracy, n=evaluation.n, interval=evaluation.interval)


Share = float  # `float` is a field below


class Test(Report):
    """The float and the int8 model on the test split."""

    float: Measured
    int8: Measured
    agreement: Share
    """Share of test crops on which both say the same."""


class TargetSummary(Report):
    """What an accelerator takes of the model."""

    name: str
    compiled: bool
    mapped_share: float | None
    """Share of the ops that run on the accelerator; None where that is not known."""
    reasons: tuple[str, ...]


class Summary(Report):
    """A run."""

    dataset: str
    """The id of the manifest of crops."""
    images: Images
    test: Test
    targets: tuple[TargetSummary, ...]
    gates: tuple[Gate, ...]
    seconds: dict[str, float]
    """By step."""
    published: bool
    """Whether the model is the champion now."""
    decision: str
    version: str | None
    """In the store; None where the model was kept back."""
    model: str
    """The model's folder, beside this file until a runner says otherwise."""


def summarise(inputs: Inputs, result: PublishReport) -> Summary:
    """The summary of a run that ends with `result`."""
    rejected: Counter[str] = Counter()
    for counts in (inputs.crawl.rejected, inputs.curate.rejected, inputs.crop.rejected):
        rejected.update(counts)
    return Summary(
        dataset=inputs.crops.id,
        images=Images(
            crawled=inputs.crawl.found,
            fetched=inputs.crawl.fetched,
            kept=inputs.crop.kept,
            rejected={reason: count for reason, count in sorted(rejected.items()) if count},
        ),
        test=Test(
            float=Measured.of(inputs.convert.float_test),
            int8=Measured.of(inputs.convert.int8_test),
            agreement=inputs.convert.agreement,
        ),
        targets=tuple(
            TargetSummary(
                name=target.name,
                compiled=target.compiled,
                mapped_share=target.mapped_share,
                reasons=target.reasons,
            )
            for target in inputs.compile.targets
        ),
        gates=result.gates,
        seconds={**inputs.seconds, "publish": result.seconds},
        published=result.published,
        decision=result.decision,
        version=result.version,
        model="model",
    )
