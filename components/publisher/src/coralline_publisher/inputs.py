"""What the other steps made, as far as the publisher reads it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.metrics import Evaluation
from coralline_core.model import HISTORY, ModelSpec
from coralline_core.reports import Gate
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from coralline_publisher.credits import UNKNOWN, credits_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from coralline_core.store import Store

V = TypeVar("V", bound=BaseModel)

GALLERY = "gradcam.json"


class View(BaseModel):
    """A part of a file that another step wrote; what else it says is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class Query(View):
    """Of the crawler's report: a query."""

    found: int
    kept: int


class CrawledLabel(View):
    """Of the crawler's report: a label."""

    images: int
    queries: dict[str, Query] = {}


class Crawled(View):
    """Of the crawler's report."""

    crawled: int
    """Images in the dataset of all crawls."""
    fetched: int
    """Of these, new in this crawl."""
    rejected: dict[str, int]
    examples: dict[str, list[str]] = {}
    """By reason, some addresses."""
    labels: dict[str, CrawledLabel] = {}
    seconds: float

    @property
    def found(self) -> int:
        """Images that all crawls came upon, taken or not."""
        return self.crawled + sum(self.rejected.values())


class Photo(View):
    """Of a curated image."""

    sha256: str
    labels: tuple[str, ...]
    image_url: str | None


class NearDuplicate(View):
    """Of the curator's report: a photo that was dropped, and the one kept in its place."""

    rejected: Photo
    kept: Photo
    distance: int
    """In how many of 64 bits their perceptual hashes differ."""


class Curated(View):
    """Of the curator's report."""

    kept: int
    rejected: dict[str, int]
    near_duplicates: list[NearDuplicate] = []
    conflicts: list[list[Photo]] = []
    conflict_count: int = 0
    groups: int | None = None
    seconds: float


class Cropped(View):
    """Of the cropper's report."""

    photos: int
    crops: int
    rejected: dict[str, int]
    crops_per_photo: dict[int, int]
    """How many photos gave so many crops, from 0."""
    samples: dict[str, list[str]] = {}
    """By label, JPEGs in base64."""
    without_crops: list[str] = []
    seconds: float

    @property
    def kept(self) -> int:
        """Photos that gave a crop."""
        return self.photos - self.crops_per_photo.get(0, 0)


class Trained(View):
    """Of the trainer's report."""

    architecture: str
    parameters: int
    epochs: dict[str, int]
    best: str
    stopped_early: bool
    seconds: float


class Converted(View):
    """Of the converter's report."""

    float_test: Evaluation
    int8_test: Evaluation
    agreement: float
    agreement_by_label: dict[str, float] = {}
    bytes: int
    latency_ms: float
    runtime: str
    gates: tuple[Gate, ...]
    seconds: float


class Op(View):
    """An operator of the compiled graph."""

    op: str
    count: int
    mapped: bool
    reason: str | None = None


class Target(View):
    """An accelerator, and what its compiler made of the model."""

    name: str
    compiled: bool
    predicted: bool = False
    """Whether the mapping is predicted, since the compiler is not to be had here."""
    mapped_share: float | None = None
    reasons: tuple[str, ...] = ()
    ops: tuple[Op, ...] = ()
    file: str | None = None
    bytes: int | None = None
    sram_kib: float | None = None
    latency_ms: float | None = None
    arena_kib: float | None = None


class Compiled(View):
    """Of the compiler's report."""

    targets: tuple[Target, ...]
    gates: tuple[Gate, ...] = ()
    seconds: float


class Epoch(View):
    """Of history.json."""

    phase: str
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


class History(RootModel[tuple[Epoch, ...]]):
    """history.json."""


class Explained(View):
    """Of gradcam.json: a crop, and where the network looked."""

    label: str
    predicted: str
    probability: float
    correct: bool
    image: str
    overlay: str


class Gallery(View):
    """gradcam.json."""

    explained: tuple[Explained, ...]


@dataclass(frozen=True)
class Inputs:
    """All that the publisher is given."""

    curated: Dataset
    crops: Dataset
    model: Path
    converted: Path
    compiled: Path
    spec: ModelSpec
    crawl: Crawled
    curate: Curated
    crop: Cropped
    train: Trained
    convert: Converted
    compile: Compiled
    history: tuple[Epoch, ...]
    gallery: tuple[Explained, ...]
    sources: dict[str, int]
    """Crops by the source of their photo, the most first."""
    licences: dict[str, int]
    """Crops by their photo's licence, the most first."""
    credits: bytes
    """See `credits_of`."""

    @classmethod
    def read(
        cls,
        store: Store,
        *,
        curated: Path,
        crops: Path,
        model: Path,
        converted: Path,
        compiled: Path,
        reports: Mapping[str, Path],
    ) -> Self:
        """Read what the steps wrote.

        Args:
            store: Where the crops are; all but the images is read of them.
            curated: The manifest of curated photos.
            crops: The manifest of crops.
            model: The trainer's folder.
            converted: The converter's folder.
            compiled: The compiler's folder.
            reports: The report of each of the six steps before, by its name.

        Raises:
            CorallineError: A file is missing or says something else.
        """
        manifest = Dataset.read(crops)
        table = manifest.table(store, ["source", "licence"])
        return cls(
            curated=Dataset.read(curated),
            crops=manifest,
            model=model,
            converted=converted,
            compiled=compiled,
            spec=ModelSpec.load(model),
            crawl=_read(reports["crawl"], Crawled),
            curate=_read(reports["curate"], Curated),
            crop=_read(reports["crop"], Cropped),
            train=_read(reports["train"], Trained),
            convert=_read(reports["convert"], Converted),
            compile=_read(reports["compile"], Compiled),
            history=_read(model / HISTORY, History).root,
            gallery=_read(converted / GALLERY, Gallery).explained,
            sources=_tally(table["source"].to_pylist()),
            licences=_tally(table["licence"].to_pylist()),
            credits=credits_of(manifest, store),
        )

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took."""
        steps = ("crawl", "curate", "crop", "train", "convert", "compile")
        return {step: getattr(self, step).seconds for step in steps}


def _read(path: Path, view: type[V]) -> V:
    try:
        return view.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])  # empty where it is no JSON at all
        what = ": ".join(filter(None, (key, first["msg"])))
        raise CorallineError(what, where=str(path)) from error


def _tally(values: list[str | None]) -> dict[str, int]:
    counts = Counter(value or UNKNOWN for value in values)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
