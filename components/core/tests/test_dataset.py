"""A dataset's rows, written to shards and read back."""

import hashlib
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.selection import revise
from coralline_core.store import FileStore
from hypothesis import given
from hypothesis import strategies as st


def write(store, *groups, schema=rows.IMAGES, kind="images", selected=None):
    """A dataset whose shards hold the given groups of rows."""
    shards = []
    counts = {}
    for group in groups:
        with ShardWriter(store, schema) as writer:
            for row in group:
                writer.add(row)
        shards += writer.shards
        counts |= writer.counts
    selection = select(store, selected) if selected is not None else ()
    return Dataset(kind=kind, shards=tuple(shards), selection=selection, counts=counts)


def select(store, selected):
    return revise(store, (), pa.Table.from_pylist(list(selected), rows.SELECTION))


def images(dataset, store, **how):
    return [row["image"]["bytes"] for row in dataset.iter_rows(store, ["image"], **how)]


def choose(row, label="cat", group="g", split="train"):
    return {"sha256": row["sha256"], "label": label, "group": group, "split": split}


def test_rows_come_back_as_written(store, make_row):
    written = [make_row(b"one", width=3, height=4, phash=2**64 - 1), make_row(b"two", "été")]
    dataset = write(store, written)
    read = list(dataset.iter_rows(store))
    empty = dict.fromkeys(rows.IMAGES.names)
    assert read == [{**empty, **row} for row in written]
    assert dataset.counts == {"cat": {"": 1}, "été": {"": 1}}
    assert dataset.labels == ("cat", "été")
    assert len(dataset) == 2


def test_counts_are_by_label_and_split(store, make_row):
    with ShardWriter(store, rows.IMAGES) as writer:
        for index, split in enumerate(["train", "train", "test", None]):
            writer.add(make_row(b"%d" % index, split=split))
    assert writer.counts == {"cat": {"train": 2, "test": 1, "": 1}}


def test_a_shard_is_named_by_its_content(store, make_row):
    (shard,) = write(store, [make_row(b"one")]).shards
    data = store.get(shard.key).data
    assert shard.sha256 == hashlib.sha256(data).hexdigest()
    assert shard.key == f"shards/{shard.sha256}.parquet"
    assert (shard.bytes, shard.rows) == (len(data), 1)


def test_the_same_rows_make_the_same_shard(store, make_row):
    group = [make_row(b"one"), make_row(b"two")]
    assert write(store, group).shards == write(store, group).shards
    assert write(store, group).shards != write(store, group[::-1]).shards


@pytest.mark.parametrize("shard_bytes", [10_000, 1 << 20, 20 << 20])
def test_shards_are_bounded(store, make_row, shard_bytes):
    size = shard_bytes // 4
    written = [make_row(os.urandom(size)) for _ in range(10)]
    with ShardWriter(store, rows.IMAGES, shard_bytes) as writer:
        for row in written:
            writer.add(row)
    dataset = Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)
    assert sum(shard.rows for shard in dataset.shards) == 10
    assert len(dataset.shards) >= 2
    row_group = min(shard_bytes, 8 << 20)
    assert max(shard.bytes for shard in dataset.shards) < shard_bytes + row_group + 10_000
    assert images(dataset, store) == [row["image"]["bytes"] for row in written]


def test_batches_are_row_groups_and_not_whole_shards(store, make_row):
    dataset = write(store, [make_row(os.urandom(3 << 20)) for _ in range(7)])
    assert len(dataset.shards) == 1
    assert [batch.num_rows for batch in dataset.batches(store)] == [3, 3, 1]


def test_plain_pyarrow_reads_a_shard(store, make_row):
    (shard,) = write(store, [make_row(b"one", group=None)]).shards
    table = pq.read_table(store.root / shard.key)
    assert table.schema.equals(rows.IMAGES)
    assert table["image"].to_pylist() == [{"bytes": b"one", "path": None}]


def test_only_the_columns_asked_for(store, make_row):
    dataset = write(store, [make_row(b"one", split="train"), make_row(b"two", split="test")])
    (batch,) = dataset.batches(store, ["label", "image"], split="test")
    assert batch.schema.names == ["label", "image"]
    assert batch.to_pylist() == [{"label": "cat", "image": {"bytes": b"two", "path": None}}]


def test_a_selection_chooses_and_decides_without_copying(store, make_row):
    one, three = make_row(b"one"), make_row(b"three")
    before = write(store, [one, make_row(b"two"), three])
    shards = list(store.list("shards/"))
    decided = [choose(three, "dog", "h", "test"), choose(one, "cat", "g", "train")]
    selection = select(store, decided)
    curated = before.model_copy(update={"kind": "curated", "selection": selection})
    assert sorted([*shards, selection[0].key]) == list(store.list("shards/"))
    columns = ["image", "label", "group", "split"]
    assert [tuple(row.values()) for row in curated.iter_rows(store, columns)] == [
        (one["image"], "cat", "g", "train"),
        (three["image"], "dog", "h", "test"),
    ]
    assert images(curated, store, split="test") == [b"three"]
    assert images(curated, store, split="validation") == []
    assert curated.table(store, ["label"])["label"].to_pylist() == ["cat", "dog"]
    assert images(curated, store) == [b"one", b"three"], "a second reading sees the same"


def test_a_shard_without_a_selected_row(store, make_row):
    one, two = make_row(b"one"), make_row(b"two")
    assert images(write(store, [one], [two], selected=[choose(two)]), store) == [b"two"]


def test_an_image_in_two_shards_is_read_once(store, make_row):
    one, two = make_row(b"one"), make_row(b"two")
    dataset = write(store, [one, two], [one], selected=[choose(one), choose(two)])
    assert images(dataset, store) == [b"one", b"two"]


def test_a_selection_is_the_same_in_any_order(store, make_row):
    chosen = [choose(make_row(b"%d" % index)) for index in range(5)]
    assert select(store, chosen) == select(store, reversed(chosen))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(rows.SPLITS)), min_size=1, max_size=12)
)
def test_splits_part_the_rows(tmp_path_factory, pairs):
    store = FileStore(tmp_path_factory.mktemp("store"))
    group = [
        {
            "image": {"bytes": b"%d" % at, "path": None},
            "sha256": str(at),
            "label": str(label),
            "split": split,
        }
        for at, (label, split) in enumerate(pairs)
    ]
    dataset = write(store, group)
    parts = [images(dataset, store, split=split) for split in rows.SPLITS]
    assert sorted(image for part in parts for image in part) == sorted(images(dataset, store))
    assert [len(part) for part in parts] == [
        sum(splits.get(split, 0) for splits in dataset.counts.values()) for split in rows.SPLITS
    ]


def test_a_table_of_some_columns(store, make_row):
    dataset = write(store, [make_row(b"one", width=3)], [make_row(b"two", width=4)])
    table = dataset.table(store, ["width", "label"])
    assert table.to_pydict() == {"width": [3, 4], "label": ["cat", "cat"]}


@pytest.mark.parametrize(
    ("kind", "column"), [("images", "width"), ("curated", "split"), ("crops", "box")]
)
def test_a_table_of_nothing_has_the_columns(store, kind, column):
    schema = rows.CROPS if kind == "crops" else rows.IMAGES
    table = Dataset(kind=kind, shards=(), counts={}).table(store, [column])
    assert table.num_rows == 0
    assert table.schema == pa.schema([schema.field(column)])


def test_without_a_row_there_is_no_shard(store, temporary):
    with ShardWriter(store, rows.IMAGES) as writer:
        pass
    assert writer.shards == []
    assert list(store.list("")) == list(temporary.iterdir()) == []


def test_an_error_leaves_no_shard_and_no_temporary_file(store, temporary, make_row):
    def fail():
        with writer:
            writer.add(make_row(os.urandom(9 << 20)))
            assert len(list(temporary.iterdir())) == 1, "a row group is written by now"
            raise ZeroDivisionError

    writer = ShardWriter(store, rows.IMAGES)
    with pytest.raises(ZeroDivisionError):
        fail()
    assert writer.shards == []
    assert list(store.list("")) == list(temporary.iterdir()) == []


def test_an_interrupt_keeps_what_was_added(store, temporary, make_row):
    def interrupted():
        with writer:
            writer.add(make_row(b"one"))
            raise KeyboardInterrupt

    writer = ShardWriter(store, rows.IMAGES)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    dataset = Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)
    assert images(dataset, store) == [b"one"]
    assert list(temporary.iterdir()) == []


def test_a_store_that_cannot_be_written_leaves_no_temporary_file(store, temporary, make_row):
    store.root.write_text("not a folder")
    with (
        pytest.raises(CorallineError, match="cannot reach"),
        ShardWriter(store, rows.IMAGES) as writer,
    ):
        writer.add(make_row(b"one"))
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_a_truncated_shard_is_named(store, make_row, size):
    dataset = write(store, [make_row(os.urandom(5000))])
    (shard,) = dataset.shards
    os.truncate(store.root / shard.key, size)
    with pytest.raises(CorallineError, match="the shard is not what was written") as caught:
        list(dataset.batches(store))
    assert caught.value.where == shard.key


def test_a_shard_with_other_bytes_inside_is_named(store, make_row):
    dataset = write(store, [make_row(b"one")])
    (shard,) = dataset.shards
    data = bytearray(store.get(shard.key).data)
    data[4:200] = bytes(196)  # after the magic number: the first page's header
    store.put(shard.key, bytes(data))
    with pytest.raises(CorallineError, match="the shard is not what was written") as caught:
        list(dataset.batches(store))
    assert caught.value.where == shard.key


def test_a_broken_selection_is_named(store, make_row):
    row = make_row(b"one")
    dataset = write(store, [row], selected=[choose(row)])
    data = bytearray(store.get(dataset.selection[0].key).data)
    data[4:100] = bytes(96)
    store.put(dataset.selection[0].key, bytes(data))
    with pytest.raises(CorallineError, match="the shard is not what was written") as caught:
        list(dataset.batches(store))
    assert caught.value.where == dataset.selection[0].key


def test_a_missing_shard_is_named(store, make_row):
    dataset = write(store, [make_row(b"one")])
    (shard,) = dataset.shards
    (store.root / shard.key).unlink()
    with pytest.raises(CorallineError, match=f"{shard.key} is missing"):
        list(dataset.batches(store))


def test_a_manifest_is_kept_under_its_id(store, make_row):
    dataset = write(store, [make_row(b"one")])
    name = dataset.save(store)
    assert name == dataset.id
    assert {**dict(kept(store, name)), "saved_at": None} == dict(dataset)


def kept(store, name):
    return Dataset.model_validate_json(store.get(f"datasets/{name}.json").data)


def test_a_dataset_that_a_run_comes_to_again_has_the_same_id_and_is_the_newest(store, make_row):
    first, second = (write(store, [make_row(data)]) for data in (b"one", b"two"))
    names = [dataset.save(store) for dataset in (first, second, first)]
    assert names == [first.id, second.id, first.id]
    assert kept(store, first.id).id == first.id
    assert kept(store, first.id).saved_at > kept(store, second.id).saved_at
