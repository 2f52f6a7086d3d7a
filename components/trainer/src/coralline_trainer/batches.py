"""Crops to batches for TensorFlow, straight from the store's shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from coralline_core import rows
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coralline_core.dataset import Dataset
    from coralline_core.store import Store
    from numpy.typing import NDArray

_CACHE_BYTES = 512 << 20  # decoded pixels of a split that are kept in memory rather than read again
_SHUFFLE_ROWS = 4096
_READ_AHEAD = 2  # shards


def count(crops: Dataset, split: str) -> int:
    """How many crops a split has."""
    return sum(splits.get(split, 0) for splits in crops.counts.values())


def batches(
    crops: Dataset, store: Store, split: str, size: int, batch: int, seed: int | None = None
) -> Any:
    """A `tf.data.Dataset` over one split of the crops.

    Shards are read interleaved, decoded in parallel and prefetched; a split that is small enough
    stays in memory after the first epoch. The order depends on the seed alone.

    Args:
        crops: The dataset.
        store: Where its shards are.
        split: Which rows.
        size: The side that crops must have, in px.
        batch: Rows a batch.
        seed: Shuffle anew in every epoch; None keeps the order of the shards.

    Returns:
        Batches of (pixels, label): uint8 (batch, size, size, 3), RGB, 0 to 255, and int64 (batch,),
        the label's index in `crops.labels`.
    """
    import tensorflow as tf

    shards = [crops.model_copy(update={"shards": (shard,)}) for shard in crops.shards]
    index = {label: at for at, label in enumerate(crops.labels)}

    def read(shard: int) -> Iterator[tuple[bytes, int]]:
        for row in shards[shard].iter_rows(store, ["image", "label"], split):
            yield row["image"]["bytes"], index[row["label"]]

    def read_shard(shard: Any) -> Any:
        signature = (tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int64))
        return tf.data.Dataset.from_generator(read, output_signature=signature, args=(shard,))

    def decode(data: Any, label: Any) -> Any:
        pixels = tf.io.decode_image(data, channels=3, expand_animations=False)
        return tf.ensure_shape(pixels, (size, size, 3)), label

    found = tf.data.Dataset.range(len(shards)).interleave(read_shard, cycle_length=_READ_AHEAD)
    found = found.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    total = count(crops, split)
    found = found.apply(tf.data.experimental.assert_cardinality(total))
    if total * size * size * 3 <= _CACHE_BYTES:
        found = found.cache()
    if seed is not None:
        found = found.shuffle(min(total, _SHUFFLE_ROWS), seed=seed)
    return found.batch(batch).prefetch(tf.data.AUTOTUNE)


def check(crops: Dataset, store: Store, size: int) -> None:
    """See that there is something to learn from, and that it fits the network.

    Raises:
        CorallineError: Fewer than two labels, a label without crops to train on, a split without
            crops, or crops of another size.
    """
    if len(crops.labels) < 2:
        fix = "Give `labels:` at least two."
        raise CorallineError(f"only one label: {', '.join(crops.labels)}", where="train", fix=fix)
    untrained = [label for label in crops.labels if not crops.counts[label].get("train")]
    if untrained:
        names = ", ".join(untrained)
        fix = "Give it more images."
        raise CorallineError(f"no crop to train on: {names}", where="train", fix=fix)
    for split in rows.SPLITS:
        if not count(crops, split):
            fix = "Give more images, or change `curate.splits`."
            raise CorallineError(f"no crop in the {split} split", where="train", fix=fix)
    for batch in crops.batches(store, ["width", "height"]):
        found = {*batch.column("width").to_pylist(), *batch.column("height").to_pylist()} - {size}
        if found:
            raise CorallineError(
                f"the crops have {found.pop()} px a side, the network takes {size}",
                where="train.model.size",
                fix="Set `crop.size` and `train.model.size` to the same.",
            )


def evaluation_batches(
    crops: Dataset, store: Store, splits: Sequence[str], batch: int
) -> Iterator[tuple[list[dict[str, Any]], NDArray[np.uint8]]]:
    """The rows of some splits with their pixels, in the shards' order.

    Yields:
        Rows without their images, and their pixels: uint8 (rows, size, size, 3), RGB.
    """
    columns = ["image", "sha256", "split", "label", "source_sha256", "crop_index"]
    held: list[dict[str, Any]] = []
    for row in crops.iter_rows(store, columns):
        if row["split"] in splits:
            held.append(row)
        if len(held) == batch:
            yield _decoded(held)
            held = []
    if held:
        yield _decoded(held)


def _decoded(held: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], NDArray[np.uint8]]:
    import tensorflow as tf

    pixels = [
        tf.io.decode_image(row.pop("image")["bytes"], channels=3, expand_animations=False).numpy()
        for row in held
    ]
    return held, np.stack(pixels)
