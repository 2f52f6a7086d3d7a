"""What there is in a store, and which shards it names: read from the truth, never from an index."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pyarrow as pa
from coralline_core.dataset import Dataset
from coralline_core.model import CHAMPION, CHECKSUMS, MODEL_JSON, ModelSpec
from coralline_core.shards import Shard
from coralline_crawler import record
from coralline_crawler.record import Record
from coralline_cropper.ledger import Record as CropRecord
from coralline_publisher.champion import Champion
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from coralline_core.progress import Progress
    from coralline_core.store import Store

SHARDS, DATASETS, CROPS = "shards/", "datasets/", "crops/"
SPLITS, MODELS = "splits/", "models/"
INDEX, QUARANTINE = "index/", "quarantine/"

T = TypeVar("T")

READERS = 16
UNREADABLE = (pa.ArrowException, KeyError, OSError, ValueError)
"""What pyarrow raises where a footer was changed: it has no checksum of its own."""

_AT_ONCE = 64  # objects that are fetched before they are read


class Crawled(NamedTuple):
    """A crawl's record without what it says of single URLs."""

    shards: tuple[Shard, ...]
    replaces: tuple[str, ...]
    kept: Counter[str]
    """Images by label that it keeps in its shards."""


class Version(NamedTuple):
    """A version of the model."""

    files: tuple[str, ...]
    """Its keys."""
    dataset: str | None
    """The id of the manifest that it was trained on; None where there is no model.json yet."""

    @property
    def complete(self) -> bool:
        """Whether all of it was put into the store: the checksums are put last."""
        return any(key.endswith(f"/{CHECKSUMS}") for key in self.files)


@dataclass
class Inventory:
    """What a store holds, but for the shards themselves.

    Attributes:
        datasets: Manifests by key.
        crawls: Records by key, in order.
        crops: By the key of a cropper's record, the shards that it names.
        quarantined: Manifests that were put aside: what they name may be made again.
        versions: By name.
        champion: None where there is none yet.
        unreadable: By key, what is wrong with an object that is none of these.
    """

    datasets: dict[str, Dataset] = field(default_factory=dict)
    crawls: dict[str, Crawled] = field(default_factory=dict)
    crops: dict[str, tuple[Shard, ...]] = field(default_factory=dict)
    quarantined: dict[str, Dataset] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    champion: Champion | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    @classmethod
    def take(cls, store: Store, progress: Progress, before: Inventory | None = None) -> Inventory:
        """Read all of it.

        Args:
            store: Where.
            progress: Hears how many manifests and records are read.
            before: What was read earlier: manifests and records never change, and are taken over.
        """
        known = before or cls()
        unreadable: dict[str, str] = {}

        def read(
            folder: str, parse: Callable[[str, bytes], T], known: dict[str, T]
        ) -> dict[str, T]:
            keys = list(store.list(folder))
            found = {key: known[key] for key in keys if key in known}
            new = [key for key in keys if key not in known]
            for key, data in progress.track(objects(store, new), len(new), f"of {folder}"):
                try:
                    if data is not None:  # else it has gone meanwhile
                        found[key] = parse(key, data)
                except ValueError as error:
                    unreadable[key] = reason(error)
            return dict(sorted(found.items()))

        inventory = cls(
            datasets=read(DATASETS, partial(_manifest, {}), known.datasets),
            crawls=read(record.FOLDER, _crawled, known.crawls),
            crops=read(CROPS, _cropped, known.crops),
            quarantined=put_aside(store),
            unreadable=unreadable,
        )
        inventory._look_at_models(store)
        return inventory

    def live(self) -> dict[str, Shard]:
        """The shards of crawls for which no later record has others."""
        found: dict[str, Shard] = {}
        for crawled in self.crawls.values():
            for key in crawled.replaces:
                found.pop(key, None)
            found |= {shard.key: shard for shard in crawled.shards}
        return found

    def named(self) -> dict[str, Shard]:
        """The shards that must stay: of crawls, of manifests, and of their selections.

        Not those of which croppers' records alone tell: what is not there is cut again.
        """
        found = self.live()
        for dataset in self.datasets.values():
            found |= {part.key: part for part in dataset.objects}
        return found

    def _look_at_models(self, store: Store) -> None:
        files = defaultdict(list)
        for key in store.list(MODELS):
            files[key.split("/")[1]].append(key)
        for name, keys in files.items():
            stored = store.get(f"{MODELS}{name}/{MODEL_JSON}")
            dataset = None
            if stored is not None:
                try:
                    dataset = ModelSpec.model_validate_json(stored.data).dataset
                except ValidationError as error:
                    self.unreadable[f"{MODELS}{name}/{MODEL_JSON}"] = reason(error)
            self.versions[name] = Version(tuple(keys), dataset)
        stored = store.get(CHAMPION)
        if stored is not None:
            try:
                self.champion = Champion.model_validate_json(stored.data)
            except ValidationError as error:
                self.unreadable[CHAMPION] = reason(error)


def objects(store: Store, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Small objects in order; many are fetched at a time, and few are in memory."""
    keys = list(keys)
    with ThreadPoolExecutor(READERS, "read") as pool:
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            for key, stored in zip(some, pool.map(store.get, some), strict=True):
                yield key, stored and stored.data


def put_aside(store: Store) -> dict[str, Dataset]:
    """The manifests in quarantine that can be read: others are there because they cannot."""
    found, known = {}, dict[Shard, Shard]()
    for key, data in objects(store, store.list(f"{QUARANTINE}{DATASETS}")):
        with suppress(ValidationError):
            found[key] = _sharing(known, Dataset.model_validate_json(data or b""))
    return found


def reason(error: ValueError) -> str:
    """What is wrong, in a few words."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(
        filter(None, ("cannot be read", ".".join(map(str, first["loc"])), first["msg"]))
    )


def quarantined(store: Store) -> dict[str, int]:
    """How many objects are in quarantine, by the folder that they are from."""
    keys = (key.removeprefix(QUARANTINE) for key in store.list(QUARANTINE))
    return dict(Counter(f"{key.partition('/')[0]}/" for key in keys))


def _manifest(known: dict[Shard, Shard], key: str, data: bytes) -> Dataset:
    dataset = Dataset.model_validate_json(data)
    if key != f"{DATASETS}{dataset.id}.json":
        raise ValueError(f"it says something else than was written: its id is {dataset.id} now")
    return _sharing(known, dataset)


def _sharing(known: dict[Shard, Shard], dataset: Dataset) -> Dataset:
    """The dataset with shards that are in memory already: the datasets of years share most."""
    shards, selection = (
        tuple(known.setdefault(part, part) for part in parts)
        for parts in (dataset.shards, dataset.selection)
    )
    return dataset.model_copy(update={"shards": shards, "selection": selection})


def _crawled(_: str, data: bytes) -> Crawled:
    parsed = Record.model_validate_json(data)
    kept = Counter(visit.label for visit in parsed.visits if visit.outcome == record.KEPT)
    return Crawled(parsed.shards, parsed.replaces, kept)


def _cropped(_: str, data: bytes) -> tuple[Shard, ...]:
    return CropRecord.model_validate_json(data).shards
