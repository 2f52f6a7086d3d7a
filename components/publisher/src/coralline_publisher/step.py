"""The publisher as a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_publisher.settings import PublishSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: PublishSettings,
    store: Store,
    progress: Progress,
    *,
    curated: Path,
    crops: Path,
    model: Path,
    converted: Path,
    compiled: Path,
    crawl_report: Path,
    curate_report: Path,
    crop_report: Path,
    train_report: Path,
    convert_report: Path,
    compile_report: Path,
    published: Path,
    report: Path,
) -> None:
    r"""Publish a model if it is no worse than the champion, and report on the whole run.

    Reads the manifests CURATED and CROPS, the folders MODEL, CONVERTED and COMPILED, and the
    steps' reports; writes the folder PUBLISHED (model/, summary.json, report.html) and the JSON
    file REPORT.

    Example:
        python -m coralline_publisher --settings publish.yaml --store ./store \
            --curated curated.json --crops crops.json --model model --converted converted \
            --compiled compiled --crawl-report crawl.json --curate-report curate.json \
            --crop-report crop.json --train-report train.json --convert-report convert.json \
            --compile-report compile.json --published published --report report.json
    """
    from coralline_publisher.inputs import Inputs
    from coralline_publisher.publish import publish

    inputs = Inputs.read(
        store,
        curated=curated,
        crops=crops,
        model=model,
        converted=converted,
        compiled=compiled,
        reports={
            "crawl": crawl_report,
            "curate": curate_report,
            "crop": crop_report,
            "train": train_report,
            "convert": convert_report,
            "compile": compile_report,
        },
    )
    publish(settings, inputs, store, published, progress).write(report)


execute = Step("publish", PublishSettings, _work)
