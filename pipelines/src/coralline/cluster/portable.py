"""Whether a project can run elsewhere: a pod sees nothing of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_crawler.settings import DirectorySource, UrlsSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from coralline.project import Project


def require_portable(project: Project) -> None:
    """Refuse a project whose store, pictures or boxes lie in folders of this machine.

    Raises:
        CorallineError: A pod could not read them, or nobody could read what it wrote.
    """
    if not project.store.in_bucket:
        raise CorallineError(
            "the store is a folder of this machine, which pods cannot reach",
            where="store.uri",
            fix="Use a bucket: gs://bucket/prefix or s3://bucket/prefix.",
        )
    for key, path in local_files(project):
        raise CorallineError(
            f"{path} lies on this machine, where pods cannot read it",
            where=key,
            fix="Take it into the store with `coralline import`, and leave it out here.",
        )


def local_files(project: Project) -> Iterator[tuple[str, Path]]:
    """The files and folders of this machine that a project names: the key, and the path."""
    for at, source in enumerate(project.crawl.sources):
        if isinstance(source, DirectorySource | UrlsSource):
            yield f"crawl.sources.{at}.path", source.path
    if project.crop.boxes is not None:
        yield "crop.boxes", project.crop.boxes
