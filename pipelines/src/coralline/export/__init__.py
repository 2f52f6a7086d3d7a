"""Datasets to the forms that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from coralline.export.coco import write_coco
from coralline.export.folder import write_folder
from coralline.export.hf import write_hf
from coralline.export.source import Source
from coralline.export.table import write_table
from coralline.export.work import unfinished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coralline_core.dataset import Dataset
    from coralline_core.progress import Progress
    from coralline_core.store import Store

Format = Literal["folder", "hf", "coco", "csv"]

_WRITERS: dict[Format, Callable[[Source, Path], None]] = {
    "folder": write_folder,
    "hf": write_hf,
    "coco": write_coco,
    "csv": write_table,
}


def export(store: Store, dataset: Dataset, to: Format, out: Path, progress: Progress) -> None:
    """Write a dataset, with the attribution of every image, for other tools.

    Memory holds some megabytes of images, and the names of all. What is there of an export that was
    interrupted is gone on with. `out` appears once all of it is written.

    Args:
        store: Where the dataset is.
        dataset: Of any kind.
        to: The form.
        out: What is made: a folder, or a file for `csv`. Nothing may be there, or an empty folder.
        progress: Hears how many images are written.

    Raises:
        CorallineError: Something is at `out` already, or cannot be read or written.
    """
    with unfinished(out, dataset.id, to, single=to == "csv") as work:
        _WRITERS[to](Source(dataset, store, work, progress), work.result)
