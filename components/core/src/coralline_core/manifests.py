"""The manifests of a store, the newest first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.store.protocol import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.store import Store

FOLDER = "datasets/"

_READERS = 16


def newest(store: Store, kind: str) -> Dataset | None:
    """The newest dataset of a kind; None where there is none.

    Raises:
        CorallineError: A manifest cannot be read which may be it.
    """
    datasets = (manifest.dataset for manifest in newest_first(store))
    return next((dataset for dataset in datasets if dataset.kind == kind), None)


def newest_first(store: Store) -> Iterator[Manifest]:
    """The manifests of a store; few more are read than are taken.

    An object may be newer than what it says, and is never older: so what is in old objects does
    not come first.
    """
    keys = [key for key in store.list(FOLDER) if key.endswith(".json")]
    with ThreadPoolExecutor(_READERS, "read") as pool:
        stats = zip(keys, pool.map(store.stat, keys), strict=True)
        objects = sorted(((stat.modified, key) for key, stat in stats if stat), reverse=True)
        waiting: list[Manifest] = []
        for start in range(0, len(objects), _READERS):
            some, rest = objects[start : start + _READERS], objects[start + _READERS :]
            read = pool.map(lambda one: read_manifest(store, one[1], one[0]), some)
            waiting += filter(None, read)  # others have just been deleted
            waiting.sort(reverse=True)
            while waiting and not (rest and waiting[0].written < rest[0][0] + RESOLUTION):
                yield waiting.pop(0)


class Manifest(NamedTuple):
    """An object under `datasets/`."""

    written: datetime
    """When a run last came to it; of one that cannot be read, when it was written."""
    key: str
    read: Dataset | str
    """What it says, or what is wrong with it."""

    @property
    def dataset(self) -> Dataset:
        """The dataset.

        Raises:
            CorallineError: It cannot be read.
        """
        if isinstance(self.read, str):
            fix = "Put it right: coralline verify --repair; or update coralline."
            raise CorallineError(self.read, where=self.key, fix=fix)
        return self.read


def read_manifest(store: Store, key: str, modified: datetime) -> Manifest | None:
    """A manifest, written by the store's clock at `modified`; None where it has been deleted."""
    stored = store.get(key)
    if stored is None:
        return None
    try:
        dataset = Dataset.model_validate_json(stored.data)
    except ValidationError as error:
        first = error.errors()[0]
        said = ("no manifest that this version reads", ".".join(map(str, first["loc"])))
        return Manifest(modified, key, ": ".join(filter(None, (*said, first["msg"]))))
    return Manifest(dataset.written(modified), key, dataset)
