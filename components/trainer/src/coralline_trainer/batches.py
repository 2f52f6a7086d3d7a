"""Crops to batches for TensorFlow, straight from the store's shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coralline_core import rows
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.dataset import Dataset
    from coralline_core.store import Store

_MEMORY = 256 << 20  # bytes of crops, as they are encoded, that are held at once
_INTERLEAVED = 8  # shards; each holds a row group of about 8 MB


def count(crops: Dataset, split: str) -> int:
    """How many crops a split has."""
    return sum(splits.get(split, 0) for splits in crops.counts.values())


def batches(
    crops: Dataset, store: Store, split: str, size: int, batch: int, seed: int | None = None
) -> Any:
    """A `tf.data.Dataset` over one split of the crops.

    Shards are read interleaved, and crops decoded in parallel, ahead of their use. A small dataset
    is read once and stays in memory; a large one is read anew in every epoch, its shards in another
    order, and shuffled in a buffer of as many crops as a small one may hold. Encoded crops are what
    is held: they are smaller than pixels, and decoding costs little beside training. The order
    depends on the seed alone.

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

    reader, shards = crops.reader(store), [shard.key for shard in crops.shards]
    index = {label: at for at, label in enumerate(crops.labels)}

    def read(shard: int) -> Iterator[tuple[bytes, int]]:
        for row in reader.iter_rows(["image", "label"], split, [shards[shard]]):
            yield row["image"]["bytes"], index[row["label"]]

    def read_shard(shard: Any) -> Any:
        signature = (tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int64))
        return tf.data.Dataset.from_generator(read, output_signature=signature, args=(shard,))

    def decoded(data: Any, label: Any) -> Any:
        return tf.ensure_shape(decode(data), (size, size, 3)), label

    total, stored = count(crops, split), sum(shard.bytes for shard in crops.shards)
    found = tf.data.Dataset.range(len(shards))
    if seed is not None:
        found = found.shuffle(len(shards), seed=seed)
    found = found.interleave(read_shard, cycle_length=_INTERLEAVED)
    found = found.apply(tf.data.experimental.assert_cardinality(total))
    if stored <= _MEMORY:
        found = found.cache()
    if seed is not None:
        fitting = _MEMORY * len(crops) // stored
        found = found.shuffle(min(total, max(batch, fitting)), seed=seed)
    found = found.map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
    return found.batch(batch).prefetch(tf.data.AUTOTUNE)


def decode(data: Any) -> Any:
    """The pixels of an encoded crop: a tensor, uint8 (height, width, 3), RGB."""
    import tensorflow as tf

    return tf.io.decode_image(data, channels=3, expand_animations=False)


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
