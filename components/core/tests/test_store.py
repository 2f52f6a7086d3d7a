"""What only a store in a folder has; what every store does is in test_store_conformance.py."""

import errno
import hashlib
import os
import shutil
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from coralline_core.errors import CorallineError
from coralline_core.store import FileStore, open_store

WRITERS = 16


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_nothing_is_left_beside_the_objects(store):
    store.put("a/b", b"1")
    store.put_if("c", b"2", None)
    store.put_if("c", b"3", None)
    assert files(store.root) == ["a/b", "c"]


def test_objects_can_be_read_by_whom_the_umask_lets(store):
    before = os.umask(0o022)
    try:
        store.put("k", b"1")
    finally:
        os.umask(before)
    assert (store.root / "k").stat().st_mode & 0o777 == 0o644


def test_list_is_sorted_and_by_prefix(store):
    for key in ("b/2", "b/10", "a", "b/1/x", "bc"):
        store.put(key, b"")
    store.put_if("a", b"new", store.get("a").etag)  # leaves a lock, which is no object
    assert list(store.list("")) == ["a", "b/1/x", "b/10", "b/2", "bc"]
    assert list(store.list("b/")) == ["b/1/x", "b/10", "b/2"]
    assert list(store.list("b/1")) == ["b/1/x", "b/10"]
    assert list(store.list("b")) == ["b/1/x", "b/10", "b/2", "bc"]
    assert list(store.list("none/")) == []


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(store, monkeypatch):
    store.put("a/b/c", b"")
    store.put("a/d", b"")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("/b"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CorallineError, match=r"cannot reach a/: Permission denied.*permissions"):
        list(store.list("a/"))
    with pytest.raises(CorallineError, match=r"store: Permission denied"):
        list(store.list(""))


def test_what_vanishes_while_it_is_listed_is_no_failure(store, monkeypatch):
    store.put("a/b/c", b"")
    store.put("a/d", b"")
    scandir = os.scandir

    def vanish(path):
        found = scandir(path)
        if str(path).endswith("/a"):
            shutil.rmtree(store.root / "a" / "b")
            (store.root / "a" / "d").unlink()
        return found

    monkeypatch.setattr(os, "scandir", vanish)
    assert list(store.list("a/")) == []


def test_get_of_nothing_is_none(store):
    assert store.get("k") is None
    store.put("folder/k", b"")
    assert store.get("folder") is None


def test_open_names_what_is_missing(store):
    with pytest.raises(CorallineError, match=r"shards/ab\.parquet is missing") as caught:
        store.open("shards/ab.parquet")
    assert caught.value.where == store.uri


def test_put_if_replaces_only_what_was_read(store):
    assert not store.put_if("k", b"new", hashlib.sha256(b"").hexdigest())
    assert store.get("k") is None
    store.put("k", b"one")
    read = store.get("k")
    store.put("k", b"two")
    assert not store.put_if("k", b"mine", read.etag)
    assert store.get("k").data == b"two"
    assert store.put_if("k", b"mine", store.get("k").etag)
    assert store.get("k").data == b"mine"


@pytest.fixture
def together(monkeypatch):
    """Holds each writer once its bytes are on disk, so that all put them in place at once."""
    barrier = threading.Barrier(WRITERS)

    def fsync(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            barrier.wait(timeout=30)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with monkeypatch.context() as patched:
        yield lambda: patched.setattr(os, "fsync", fsync)
    sys.setswitchinterval(before)


@pytest.mark.parametrize("there", [False, True], ids=["absent", "current"])
def test_of_racing_writers_exactly_one_wins(store, together, there):
    keys = [f"champion {attempt}" for attempt in range(10)]
    if there:
        for key in keys:
            store.put(key, b"old")
    etag = store.get(keys[0]).etag if there else None
    together()
    for key in keys:
        with ThreadPoolExecutor(WRITERS) as pool:
            write = [pool.submit(store.put_if, key, b"%d" % n, etag) for n in range(WRITERS)]
            won = [written.result() for written in write]
        assert won.count(True) == 1
        assert store.get(key).data == b"%d" % won.index(True)


def test_check_writable_changes_nothing(tmp_path):
    FileStore(tmp_path / "new" / "store").check_writable()
    assert list(tmp_path.iterdir()) == []


def test_check_writable_says_why_not(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (
        tmp_path / "file",
        tmp_path / "file" / "store",
        tmp_path / ("x" * 300),
        Path("/proc/store"),
    ):
        with pytest.raises(CorallineError, match="the store cannot be written") as caught:
            FileStore(root).check_writable()
        assert caught.value.where == root.as_uri()
    assert files(tmp_path) == ["file"]


def test_a_write_below_a_file_is_said_and_not_a_crash(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorallineError, match="cannot reach k"):
        FileStore(tmp_path / "file").put("k", b"")


def test_uris(tmp_path, monkeypatch):
    folder = tmp_path / "my store é"
    by_uri = open_store(folder.as_uri())
    by_uri.put("k", b"1")
    assert "%20" in by_uri.uri
    assert open_store(f"file://{folder}").get("k").data == b"1"
    assert open_store(str(folder)).get("k").data == b"1"
    monkeypatch.chdir(tmp_path)
    assert open_store("./my store é").uri == by_uri.uri
    assert open_store(by_uri.uri).uri == by_uri.uri


@pytest.mark.parametrize("uri", ["ftp://host/a", "file://host/a", "file:a", "file://"])
def test_other_uris_are_errors(uri):
    with pytest.raises(CorallineError, match="no store for") as caught:
        open_store(uri)
    assert caught.value.where == uri


def test_a_failed_write_leaves_the_old_object_and_no_temporary_file(store, monkeypatch):
    # A disk cannot be filled here, so the last call before success fails as on a full one.
    store.put("k", b"old")
    etag = store.get("k").etag

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(CorallineError, match=r"No space left on device.*Free some space"):
            store.put("k", b"new")
        with pytest.raises(CorallineError, match="No space left on device"):
            store.put_if("k", b"new", etag)
        patched.setattr(Path, "hardlink_to", full)
        with pytest.raises(CorallineError, match="No space left on device"):
            store.put_if("other", b"new", None)
    assert list(store.list("")) == ["k"]
    assert store.get("k").data == b"old"
    assert list((store.root / ".writing").iterdir()) == []


def test_sweep_removes_what_the_dead_have_left_and_not_what_is_being_written(store):
    store.put("k", b"1")
    left = store.root / ".writing" / "left"
    left.write_bytes(b"half of someth")
    now = datetime.now(UTC)
    os.utime(left, times=((now - timedelta(days=2)).timestamp(),) * 2)
    (store.root / ".writing" / "living").write_bytes(b"half of")
    assert store.sweep(now - timedelta(days=1)) == 1
    assert files(store.root) == [".writing/living", "k"]
