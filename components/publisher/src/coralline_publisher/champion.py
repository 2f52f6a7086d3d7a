"""The champion and the versions in the store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from coralline_core.errors import CorallineError
from coralline_core.model import CHAMPION, CHECKSUMS, INT8_PREDICTIONS
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_publisher.folder import files, same_model

if TYPE_CHECKING:
    from pathlib import Path

    from coralline_core.progress import Progress
    from coralline_core.store import Store


class UnreadableChampionError(CorallineError):
    """champion.json is there, and says something else."""


class Champion(Report):
    """champion.json: which version is in use."""

    version: str
    """Its files are at `models/<version>/`."""
    published_at: datetime
    name: str
    """The project's."""
    dataset: str
    """The id of the manifest of crops."""
    labels: tuple[str, ...]
    accuracy: float
    """Of the int8 model on its test split."""
    n: int
    """Test crops."""
    previous: str | None
    """The champion before it."""
    behind: float = 0.0
    """What it and the champions before it lost in a row: see `decide`."""

    @classmethod
    def load(cls, store: Store) -> tuple[Self, str] | tuple[None, None]:
        """The champion and its etag, or None and None where there is none yet.

        Raises:
            UnreadableChampionError: champion.json says something else.
        """
        stored = store.get(CHAMPION)
        if stored is None:
            return None, None
        try:
            return cls.model_validate_json(stored.data), stored.etag
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])  # empty where it is no JSON at all
            raise UnreadableChampionError(
                ": ".join(filter(None, ("not a champion", key, first["msg"]))),
                where=f"{store.uri}/{CHAMPION}",
                fix="Restore it, or delete it to begin with a first model.",
            ) from error

    def replace(self, store: Store, etag: str | None) -> bool:
        """Take the place of the champion that has `etag`; False if another came first."""
        return store.put_if(CHAMPION, self.model_dump_json(indent=1).encode() + b"\n", etag)

    def predictions(self, store: Store) -> list[dict[str, Any]]:
        """Its int8 predictions (`rows.PREDICTIONS`, without the probabilities).

        Raises:
            CorallineError: They are missing, or cannot be read.
        """
        key = f"models/{self.version}/{INT8_PREDICTIONS}"
        with store.open(key) as file:
            try:
                return read_predictions(file)
            except (pa.ArrowInvalid, OSError) as error:
                raise CorallineError(
                    f"the predictions cannot be read: {error}",
                    where=key,
                    fix="Restore the file, or delete champion.json to begin with a first model.",
                ) from error

    def is_model(self, folder: Path, store: Store) -> bool:
        """Whether a sealed model folder holds the same model: see `folder.same_model`."""
        stored = store.get(f"models/{self.version}/{CHECKSUMS}")
        ours = (folder / CHECKSUMS).read_text(encoding="utf-8")
        return stored is not None and same_model(ours, stored.data.decode())


def read_predictions(source: Any) -> list[dict[str, Any]]:
    """The rows of a predictions file, without the probabilities.

    Args:
        source: A path, or an open binary file.
    """
    columns = ["crop", "split", "label", "predicted"]
    found: list[dict[str, Any]] = pq.read_table(source, columns=columns).to_pylist()
    return found


def upload(store: Store, folder: Path, version: str, progress: Progress) -> None:
    """Put a model folder under its version, the checksums last: with them it is complete."""
    if store.get(f"models/{version}/{CHECKSUMS}") is not None:
        return
    names = [*files(folder), CHECKSUMS]
    for name in progress.track(names, len(names), "files"):
        store.put(f"models/{version}/{name}", folder / name)
