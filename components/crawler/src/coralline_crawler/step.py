"""The crawler as a step of the pipeline and as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.command import Step

from coralline_crawler.settings import CrawlSettings

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


def _work(
    settings: CrawlSettings, store: Store, progress: Progress, *, images: Path, report: Path
) -> None:
    r"""Find images by their labels' queries, and fetch those that the store does not have.

    Writes the manifest `--images` and the report `--report`.

    Example:
        python -m coralline_crawler --settings crawl.yaml --store ./store \
            --images images.json --report report.json
    """
    from coralline_crawler.crawl import crawl, require_enough

    dataset, result = crawl(settings, store, progress)
    dataset.save(store)
    dataset.write(images)
    result.write(report)
    require_enough(settings, result)


execute = Step("crawl", CrawlSettings, _work)
