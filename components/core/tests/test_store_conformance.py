"""What every store does, against a folder, a real fake-gcs-server and a real SeaweedFS."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.rows import IMAGES
from coralline_core.store import open_store

WRITERS = 16


@pytest.fixture
def store(any_address):
    return open_store(any_address)


@pytest.mark.parametrize(
    "data", [b"", b"\0\xff", os.urandom(20 << 20)], ids=["empty", "two", "20MB"]
)
@pytest.mark.parametrize("form", ["bytes", "file"])
def test_what_is_put_is_read_back(store, tmp_path, data, form):
    source = tmp_path / "source"
    source.write_bytes(data)
    store.put("a/b", data if form == "bytes" else source)
    assert store.get("a/b").data == data
    with store.open("a/b") as file:
        assert file.read() == data
        assert file.seek(0) == 0
        assert file.read(1) == data[:1]
        assert file.seek(-1 if data else 0, os.SEEK_END) == max(0, len(data) - 1)
        assert file.read() == data[-1:]


def test_put_replaces_and_changes_the_etag(store):
    store.put("k", b"one")
    first = store.get("k")
    store.put("k", b"two")
    assert store.get("k").data == b"two"
    assert store.get("k").etag != first.etag


def test_list_is_sorted_and_by_prefix(store):
    for key in ("b/2", "b/10", "a", "b/1/x", "bc", "é x"):
        store.put(key, b"")
    store.put_if("a", b"new", store.get("a").etag)
    assert list(store.list("")) == ["a", "b/1/x", "b/10", "b/2", "bc", "é x"]
    assert list(store.list("b/")) == ["b/1/x", "b/10", "b/2"]
    assert list(store.list("b/1")) == ["b/1/x", "b/10"]
    assert list(store.list("none/")) == []


def test_list_after_a_key_leaves_out_what_comes_before(store):
    for key in ("b/2", "b/10", "a", "b/1/x", "bc", "é x"):
        store.put(key, b"")
    assert list(store.list("b/", after="b/10")) == ["b/2"]
    assert list(store.list("b/", after="b/11")) == ["b/2"]
    assert list(store.list("b/", after="a")) == ["b/1/x", "b/10", "b/2"]
    assert list(store.list("", after="bc")) == ["é x"]
    assert list(store.list("b/", after="c")) == []


def test_more_keys_than_a_page_are_listed(store):
    keys = [f"many/{number:04}" for number in range(1_100)]  # services list 1,000 at a time
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"1"), keys))
    assert list(store.list("many/")) == keys
    assert list(store.list("many/", after=keys[49])) == keys[50:]


def test_get_of_nothing_is_none_and_open_names_it(store):
    assert store.get("shards/ab.parquet") is None
    with pytest.raises(CorallineError, match=r"shards/ab\.parquet is missing") as caught:
        store.open("shards/ab.parquet")
    assert caught.value.where == store.uri


def test_stat_tells_size_and_time_by_the_stores_clock(store):
    assert store.stat("k") is None
    before = datetime.now(UTC)
    store.put("k", b"123")
    first = store.stat("k")
    assert first.bytes == 3
    assert first.modified.utcoffset() == timedelta(0)
    assert abs(first.modified - before) < timedelta(minutes=1)  # S3 shows whole seconds
    time.sleep(1.1)
    store.put("k", b"123")
    assert store.stat("k").modified > first.modified


def test_a_folder_is_no_object(store):
    store.put("folder/k", b"1")
    assert store.stat("folder") is None
    assert store.get("folder") is None


def test_sweep_leaves_objects_alone(store):
    store.put("k", b"1")
    assert store.sweep(datetime.now(UTC) + timedelta(hours=1)) == 0
    assert list(store.list("")) == ["k"]


def test_delete(store):
    store.put("k", b"1")
    for _ in range(2):
        store.delete("k")
        assert store.get("k") is None
        assert list(store.list("")) == []


def test_put_if_absent_writes_once(store):
    assert store.put_if("k", b"one", None)
    assert not store.put_if("k", b"two", None)
    assert not store.put_if("k", b"one", None)
    assert store.get("k").data == b"one"


def test_put_if_replaces_only_what_was_read(store):
    store.put("k", b"one")
    read = store.get("k")
    assert not store.put_if("other", b"new", read.etag)
    assert store.get("other") is None
    store.put("k", b"two")
    assert not store.put_if("k", b"mine", read.etag)
    assert store.get("k").data == b"two"
    assert store.put_if("k", b"mine", store.get("k").etag)
    assert store.get("k").data == b"mine"


@pytest.mark.parametrize("there", [False, True], ids=["absent", "current"])
def test_of_racing_writers_exactly_one_wins(store, there):
    barrier = threading.Barrier(WRITERS)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    for attempt in range(5):
        key = f"champion {attempt}"
        if there:
            store.put(key, b"old")
        etag = store.get(key).etag if there else None

        def write(number, key=key, etag=etag):
            barrier.wait(timeout=30)
            return store.put_if(key, b"%d" % number, etag)

        with ThreadPoolExecutor(WRITERS) as pool:
            won = list(pool.map(write, range(WRITERS)))
        assert won.count(True) == 1
        assert store.get(key).data == b"%d" % won.index(True)
    sys.setswitchinterval(before)


@pytest.mark.parametrize("key", ["../k", "a/../../k", "a/..", "/etc/passwd", "", "."])
def test_keys_stay_in_the_store(store, key):
    for use in (
        lambda: store.get(key),
        lambda: store.put(key, b""),
        lambda: store.put_if(key, b"", None),
        lambda: store.put_if(key, b"", "1"),
        lambda: store.open(key),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="not a key"):
            use()


def test_check_writable_leaves_nothing(store):
    store.check_writable()
    assert list(store.list("")) == []


def test_the_uri_opens_the_same_store(store):
    store.put("k", b"1")
    again = open_store(store.uri)
    assert again.uri == store.uri
    assert again.get("k").data == b"1"


def test_a_dataset_is_written_and_its_columns_read(store, make_row):
    with ShardWriter(store, IMAGES, shard_bytes=1 << 20) as writer:
        for number in range(40):
            row = make_row(os.urandom(100_000), "cat" if number % 2 else "dog", width=number)
            writer.add(row)
    dataset = Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)
    assert len(dataset.shards) > 2
    assert sorted(dataset.table(store, ["width"])["width"].to_pylist()) == list(range(40))
    assert sum(len(row["image"]["bytes"]) for row in dataset.iter_rows(store)) == 4_000_000
    with store.open(dataset.shards[0].key) as file:
        assert pq.ParquetFile(file).metadata.num_rows == dataset.shards[0].rows
