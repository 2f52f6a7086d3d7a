"""Bring what a run of Jobs has made to this machine."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from coralline_core.handover import Handover

from coralline.run_folder import failures, held, point_latest, put_in_place, temporary_folder
from coralline.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.store import Store

_SUMMARY = "summary.json"


def bring(store: Store, run: str, runs: Path) -> Run:
    """Fetch the report, the model and, last, the summary of a run that has ended well.

    Args:
        store: The project's.
        run: The run's name.
        runs: The folder of all runs; the run's own in it has the run's name.

    Raises:
        CorallineError: The store cannot be read from here, or the folder cannot be written.
    """
    folder = runs / run
    if not (folder / _SUMMARY).exists():
        with failures(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with held(folder), temporary_folder(folder) as temporary:
                _fetch(Handover(store, run), temporary, folder)
        point_latest(runs, folder)
    return Run(folder, json.loads((folder / _SUMMARY).read_bytes()))


def _fetch(handover: Handover, temporary: Path, folder: Path) -> None:
    handover.wait(["publish"])
    published = temporary / "published"
    handover.fetch("publish", "published", published)
    summary = json.loads((published / _SUMMARY).read_bytes())
    summary["model"] = str((folder / "model").resolve())
    (published / _SUMMARY).write_text(json.dumps(summary, indent=1) + "\n")
    # Of an attempt that was interrupted there may be a part: without the summary it is none.
    shutil.rmtree(folder / "model", ignore_errors=True)
    put_in_place(published, folder)
