"""How objects come and go: checked, tried again, and in little memory whatever their size."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.errors import CorallineError
from coralline_core.rows import IMAGES
from coralline_core.store import open_store
from faulty_proxy import PASSING, Fault

PARTS = 20 << 20  # more than goes up in one request
FILE = 128 << 20
MEMORY = 80 << 20  # what moving a file of any size may take


@pytest.fixture
def store(faulty):
    return open_store(faulty[0])


@pytest.fixture
def proxy(faulty):
    return faulty[1]


def once(fault, method):
    """Says that a fault befalls the first request of a method."""
    left = [fault]
    return lambda asked, path: left.pop() if left and asked == method else None


def test_a_bit_that_flips_on_the_way_out_is_found(store, proxy):
    store.put("k", os.urandom(100_000))
    # Google's service is asked for what is known of the object first.
    proxy.fault = lambda _, path: None if "projection=" in path else Fault.FLIPPED
    with pytest.raises(CorallineError, match="k: it is not what was written, its checksum says"):
        store.get("k")
    assert proxy.befallen[Fault.FLIPPED] == 1


def test_a_bit_that_flips_on_the_way_in_is_found_and_the_file_sent_again(store, proxy, tmp_path):
    data = os.urandom(PARTS)
    (tmp_path / "source").write_bytes(data)
    proxy.fault = once(Fault.SPOILT, "PUT")
    store.put("k", tmp_path / "source")
    assert proxy.befallen[Fault.SPOILT] == 1
    assert store.get("k").data == data


@pytest.mark.parametrize("fault", PASSING)
def test_one_fault_of_any_kind_is_got_past(store, proxy, tmp_path, fault):
    data = os.urandom(PARTS)
    (tmp_path / "source").write_bytes(data)
    proxy.fault = once(fault, "PUT")
    store.put("file", tmp_path / "source")
    proxy.fault = once(fault, "POST")
    store.put("bytes", data)
    proxy.fault = once(fault, "GET")
    assert store.get("file").data == data
    proxy.fault = once(fault, "GET")
    assert store.get("bytes").data == data
    proxy.fault = once(fault, "GET")
    with store.open("file") as file:
        assert file.read(3_000_000) == data[:3_000_000]
    proxy.fault = once(fault, "GET")
    assert list(store.list("")) == ["bytes", "file"]
    assert proxy.befallen[fault] >= 4


def test_a_store_that_stops_answering_in_the_middle_of_a_shard_is_not_called_a_corrupt_shard(
    store, proxy, make_row
):
    with ShardWriter(store, IMAGES) as writer:
        for label in ("cat", "dog"):
            writer.add(make_row(os.urandom(9 << 20), label))  # a row group each
    dataset = Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)
    rows = dataset.iter_rows(store)
    next(rows)
    proxy.fault = lambda method, path: Fault.FORBIDDEN
    with pytest.raises(CorallineError, match=r"cannot read shards/") as caught:
        next(rows)
    assert len(str(caught.value).splitlines()) == 1


def test_a_service_that_refuses_checksums_is_asked_without(s3_address, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    store = open_store(s3_address)
    data = os.urandom(PARTS)
    (tmp_path / "source").write_bytes(data)
    store.put("file", tmp_path / "source")
    store.put("bytes", data)
    asked = {"Bucket": "bucket", "ChecksumMode": "ENABLED"}
    for key in ("file", "bytes"):
        assert "ChecksumCRC32" not in store._client.head_object(Key=store._key(key), **asked)
        assert store.get(key).data == data


def test_sweep_removes_parts_that_nobody_puts_together(s3_store):
    begun = {"Bucket": "bucket", "Key": s3_store._key("big")}
    upload = s3_store._client.create_multipart_upload(**begun)
    s3_store._client.upload_part(
        **begun, UploadId=upload["UploadId"], PartNumber=1, Body=bytes(PARTS)
    )
    assert s3_store.sweep(datetime.now(UTC) - timedelta(days=1)) == 0
    assert s3_store.sweep(datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert s3_store.sweep(datetime.now(UTC) + timedelta(minutes=1)) == 0


MOVE = """
import re, sys
from pathlib import Path
from coralline_core.store import open_store

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

address, source = sys.argv[1:]
store = open_store(address)
store.get("small")  # what a first request loads does not count
before = peak()
store.put("big", Path(source))
read = 0
with store.open("big") as file:
    while data := file.read(8 << 20):
        read += len(data)
print(read, peak() - before)
"""


def test_a_file_of_any_size_is_moved_in_little_memory(any_address, tmp_path):
    with (tmp_path / "source").open("wb") as file:
        file.truncate(FILE)
    moved = subprocess.run(
        [sys.executable, "-c", MOVE, any_address, tmp_path / "source"],
        check=True,
        capture_output=True,
        text=True,
    )
    read, taken = map(int, moved.stdout.split())
    assert read == FILE
    assert taken < MEMORY
