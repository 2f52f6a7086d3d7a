"""The rows that are exported: each once, shard by shard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from coralline_core import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coralline_core.dataset import Dataset
    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline.export.work import Work

# phash is for curation, and a box's own label is in `label`.
_IMAGES = [name for name in rows.IMAGES.names if name not in ("image", "phash")]
_CROPS = [name for name in rows.CROPS.names if name not in ("image", "phash", "box_label")]


class Source:
    """A dataset on its way out.

    Args:
        dataset: The dataset.
        store: Where it is.
        work: Which of its shards are done.
        progress: Hears of every image.

    Attributes:
        dataset: The dataset.
        store: Where it is.
        work: What is written of it.
    """

    def __init__(self, dataset: Dataset, store: Store, work: Work, progress: Progress) -> None:
        self.dataset = dataset
        self.store = store
        self.work = work
        self._reader = dataset.reader(store)
        self._progress = progress
        self._by_label = dataset.kind == "images"  # an image may be there under two
        self._seen: set[bytes] = set()
        self._only: set[bytes] | None = None  # all

    def photos_of(self, dataset: Dataset, names: Iterable[bytes]) -> Source:
        """Some photos of a dataset in this one's place, each of them once, whatever its labels.

        Args:
            dataset: Of photos.
            names: The sha256 of each, in hex.
        """
        photos = Source(dataset, self.store, self.work, self._progress)
        photos._by_label = False
        photos._only = {bytes.fromhex(name.decode()) for name in names}
        return photos

    @property
    def columns(self) -> list[str]:
        """All columns that are told of a row, but for the image."""
        return _CROPS if self.dataset.kind == "crops" else _IMAGES

    def metadata(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows without their images: `columns`, or some of them."""
        return self._reader.batches(columns or self.columns)

    def shards(self) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
        """The shards that are not done yet, each with its place and its rows.

        When the next one is asked for, it counts as done.
        """
        total, count = len(self.dataset if self._only is None else self._only), 0
        for place, shard in enumerate(self.dataset.shards):
            if shard.key in self.work.done:
                names = ["sha256", "label"]
                count += sum(batch.num_rows for batch in self._rows(shard.key, names))
                self._progress.update(count, total, "images")
                continue

            def batches(key: str = shard.key) -> Iterator[pa.RecordBatch]:
                nonlocal count
                for batch in self._rows(key, ["image", *self.columns]):
                    yield batch
                    count += batch.num_rows
                    self._progress.update(count, total, "images")

            yield place, batches()
            self.work.finish_shard(shard.key)

    def _rows(self, key: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in self._reader.batches(columns, shards=[key]):
            new = batch if self.dataset.kind == "crops" else batch.filter(self._new(batch))
            if new.num_rows:
                yield new

    def _new(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Which rows have not been there: an image that two crawls wrote is in two shards."""
        mask = []
        names = (batch.column(name).to_pylist() for name in ("sha256", "label"))
        for sha256, label in zip(*names, strict=True):
            key = bytes.fromhex(sha256) + (label.encode() if self._by_label else b"")
            mask.append(key not in self._seen and (self._only is None or key in self._only))
            self._seen.add(key)
        return pa.array(mask, pa.bool_())
