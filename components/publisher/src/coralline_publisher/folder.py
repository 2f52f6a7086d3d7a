"""The model folder: all that belongs to a version, with checksums."""

from __future__ import annotations

import hashlib
import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from coralline_core import model as model_files
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path

_TRAINED = (
    model_files.MODEL_JSON,
    model_files.LABELS,
    model_files.KERAS,
    model_files.H5,
    model_files.METRICS,
    model_files.HISTORY,
    model_files.PREDICTIONS,
)
_CONVERTED = (model_files.INT8, model_files.INT8_METRICS, model_files.INT8_PREDICTIONS)
# They say when they were made. The weights are in model.h5, too, which says nothing of the kind.
_TIMED = (model_files.KERAS, f"{model_files.SAVED_MODEL}/*", "*.log")


def assemble(model: Path, converted: Path, compiled: Path, folder: Path) -> None:
    """Copy what three steps made into one new folder.

    TensorBoard's logs and the Grad-CAM pictures stay behind: logs differ from run to run, and the
    pictures are other people's.

    Raises:
        CorallineError: A file that there must be is missing.
    """
    if compiled.is_dir():  # an empty folder does not pass through an object storage
        shutil.copytree(compiled, folder)
    folder.mkdir(exist_ok=True)
    for name in _TRAINED:
        _copy(model, name, folder)
    if (model / model_files.SAVED_MODEL).is_dir():
        shutil.copytree(model / model_files.SAVED_MODEL, folder / model_files.SAVED_MODEL)
    for name in _CONVERTED:
        _copy(converted, name, folder)


def seal(folder: Path) -> str:
    """Write SHA256SUMS, as `sha256sum --check` reads it.

    Returns:
        The version: the first 12 hex digits of that file's own sha256. The same files have the
        same version, whenever they are published.
    """
    lines = [f"{_digest(folder / name)}  {name}\n" for name in files(folder)]
    content = "".join(lines).encode()
    (folder / model_files.CHECKSUMS).write_bytes(content)
    return hashlib.sha256(content).hexdigest()[:12]


def same_model(checksums: str, others: str) -> bool:
    """Whether two SHA256SUMS are of one model, though it may have been made twice.

    The same training again gives the same files, but for those that hold the time of day.
    """
    return _lasting(checksums) == _lasting(others)


def files(folder: Path) -> list[str]:
    """The files of a model folder, in order and relative to it, without SHA256SUMS."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != model_files.CHECKSUMS)


def _copy(source: Path, name: str, folder: Path) -> None:
    try:
        shutil.copyfile(source / name, folder / name)
    except FileNotFoundError as error:
        fix = "Name the folder that the step wrote."
        raise CorallineError(f"{name} is missing", where=str(source), fix=fix) from error


def _lasting(checksums: str) -> dict[str, str]:
    """The names in SHA256SUMS, and the digests of the files that hold no time."""
    lines = (line.split("  ", 1) for line in checksums.splitlines())
    return {
        name: "" if any(fnmatchcase(name, timed) for timed in _TIMED) else digest
        for digest, name in lines
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
