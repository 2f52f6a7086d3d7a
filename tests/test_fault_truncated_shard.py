"""A shard of which the end is missing, or a byte is another, in a store of each kind."""

import hashlib
import os

import pytest
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.rows import IMAGES
from coralline_core.shards import ShardWriter
from coralline_core.store import open_store


@pytest.fixture
def dataset(any_address):
    store = open_store(any_address)
    with ShardWriter(store, IMAGES, shard_bytes=1 << 20) as writer:
        for number in range(40):
            image = os.urandom(100_000)
            sha256 = hashlib.sha256(image).hexdigest()
            label = "cat" if number % 2 else "dog"
            row = {"image": {"bytes": image, "path": None}, "sha256": sha256, "label": label}
            writer.add(row)
    return store, Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)


@pytest.mark.parametrize("left", [0, 1, 1_000, 600_000, -1])
def test_a_shard_whose_end_is_missing_is_named_in_a_line(dataset, left):
    store, dataset = dataset
    shard = dataset.shards[1]
    store.put(shard.key, store.get(shard.key).data[:left])
    with pytest.raises(CorallineError, match="the shard is not what was written") as caught:
        list(dataset.iter_rows(store))
    assert caught.value.where == shard.key
    assert len(str(caught.value).splitlines()) == 1


def test_a_shard_with_another_byte_is_named_in_a_line(dataset):
    store, dataset = dataset
    shard = dataset.shards[1]
    changed = bytearray(store.get(shard.key).data)
    changed[len(changed) // 2] ^= 1
    store.put(shard.key, bytes(changed))
    with pytest.raises(CorallineError, match="the shard is not what was written") as caught:
        list(dataset.iter_rows(store))
    assert caught.value.where == shard.key
    assert len(str(caught.value).splitlines()) == 1


def test_a_shard_that_is_missing_is_named_in_a_line(dataset):
    store, dataset = dataset
    store.delete(dataset.shards[1].key)
    with pytest.raises(CorallineError, match=f"{dataset.shards[1].key} is missing") as caught:
        list(dataset.iter_rows(store))
    assert len(str(caught.value).splitlines()) == 1
