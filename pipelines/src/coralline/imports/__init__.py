"""Images that people already have, into a project's store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from coralline_crawler.settings import CrawlSettings
from coralline_crawler.take_in import ImportReport, take_in

from coralline.imports.boxes import box_file_of, extend
from coralline.imports.source import pictures_of
from coralline.imports.splits import keep_splits

if TYPE_CHECKING:
    from coralline_core.progress import Progress

    from coralline.project import Project


class Imported(Report):
    """What became of an import."""

    images: ImportReport
    splits: dict[str, int]
    """Images whose split is kept, by split."""
    boxes: int
    """Boxes that the box file has now and had not before."""
    box_file: str | None
    """The file that `crop.boxes` is to name; None where there are no boxes."""
    box_file_is_named: bool
    """Whether the project names it already."""

    def __str__(self) -> str:
        images = self.images
        said = [f"{images.kept} images taken in, {images.known} known already"]
        for reason, count in images.rejected.items():
            said.append(f"rejected: {count} {reason}, such as {images.examples[reason][0]}")
        if self.splits:
            kept = ", ".join(f"{count} in {split}" for split, count in self.splits.items())
            said.append(f"splits kept: {kept}")
        if self.box_file:
            said.append(f"boxes: {self.boxes} more in {self.box_file}")
            if not self.box_file_is_named:
                name = Path(self.box_file).name
                said.append(f"write into the project file:\ncrop:\n  mode: boxes\n  boxes: {name}")
        return "\n".join(said)


def import_into(project: Project, file: Path, source: Path, progress: Progress) -> Imported:
    """Take images, and boxes in them, into a project.

    Splits are written down before the images come, so that no image of a test split is ever learnt
    from. All of it can be done again: what is known stays as it is.

    Args:
        project: The project.
        file: Its file, beside which the boxes go.
        source: A folder of images, or a CSV file: see `pictures_of`.
        progress: Hears how many images are done.

    Raises:
        CorallineError: Something in the source is wrong, none of its images can be used, or the
            store cannot be written.
    """
    store = project.open_store()
    pictures = pictures_of(source, tuple(project.labels))
    box_file = box_file_of(project, file, source)
    splits = keep_splits(store, pictures)
    boxes = extend(box_file, pictures)
    settings = CrawlSettings(labels=project.labels, **dict(project.crawl))
    report = take_in(settings, (one.candidate for one in pictures), store, progress)
    if not report.kept and not report.known:
        why = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items())
        raise CorallineError(
            f"no image was taken in ({why or 'there is none'})",
            where=str(source),
            fix="Give a folder with a subfolder for each label, or a CSV file `image,label`.",
        )
    return Imported(
        images=report,
        splits=splits,
        boxes=boxes or 0,
        box_file=None if boxes is None else str(box_file),
        box_file_is_named=project.crop.boxes is not None,
    )
