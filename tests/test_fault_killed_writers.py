"""kill -9 in the middle of every kind of write, into a store of each kind."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from coralline_core.store import open_store

KILLS = 6
SIZES = {
    "bytes": 4 << 20,
    "file": 1 << 20,
    "file in parts": 20 << 20,
    "new": 1 << 20,
    "replaced": 1 << 20,
}

# Forks a writer for each line of its input: what takes a second is imported once. A writer says
# its process id, and then that it has written something whole; it writes on for ever.
WRITERS = f"""
import json, os, signal, sys, uuid
from pathlib import Path
import coralline_core.store.gcs
import coralline_core.store.s3
from coralline_core.store import open_store

SIZES = {SIZES}

def write(store, kind, byte, source):
    data = byte * SIZES[kind]
    if kind == "bytes":
        store.put(kind, data)
    elif kind.startswith("file"):
        source.write_bytes(data)
        store.put(kind, source)
    elif kind == "new":
        assert store.put_if(f"new/{{uuid.uuid4().hex}}", data, None)
    else:
        assert store.put_if(kind, data, store.get(kind).etag)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    if os.fork() == 0:
        address, kind, said, environment = json.loads(line)
        os.environ.update(environment)
        store = open_store(address)
        with open(said, "a", buffering=1) as say:
            print(os.getpid(), file=say)
            while True:
                for byte in (b"a", b"b"):
                    write(store, kind, byte, Path(said + ".source"))
                    print("written", file=say)
"""


@pytest.fixture(scope="module")
def nursery():
    with subprocess.Popen(
        [sys.executable, "-c", WRITERS], stdin=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@pytest.mark.parametrize("kind", SIZES)
def test_a_killed_writer_leaves_whole_objects_and_is_in_nobodys_way(
    any_address, nursery, kind, tmp_path
):
    store = open_store(any_address)
    store.put("kept", b"kept")
    if kind != "new":
        store.put(kind, b"a" * SIZES[kind])
    chance = random.Random(kind)
    with every_read_is_whole(store, kind):
        for number in range(KILLS):
            start_and_kill(any_address, nursery, kind, tmp_path / f"said{number}", chance)
    time.sleep(0.5)  # a service may still do what it was asked in full before the writer died
    keys = list(store.list(""))
    assert keys == sorted(["kept", *keys_of(store, kind)])
    assert store.get("kept").data == b"kept"
    assert all(whole(store.get(key).data, kind) for key in keys if key != "kept")

    started = time.monotonic()
    store.put("later", b"1")
    assert store.put_if("later", b"2", store.get("later").etag)
    if kind != "new":
        assert store.put_if(kind, b"c" * SIZES[kind], store.get(kind).etag)
        assert store.get(kind).data == b"c" * SIZES[kind]
    assert time.monotonic() - started < 10
    store.sweep(datetime.now(UTC) + timedelta(hours=1))
    assert store.sweep(datetime.now(UTC) + timedelta(hours=1)) == 0
    assert list(store.list("")) == sorted([*keys, "later"])


def start_and_kill(address, nursery, kind, said, chance):
    """Kill a writer at any moment of its second or third write."""
    line = json.dumps([address, kind, str(said), dict(os.environ)])
    print(line, file=nursery.stdin, flush=True)
    pid = int(line_of(said, 0))
    try:
        line_of(said, 1)
        started = time.monotonic()
        line_of(said, 2)
        time.sleep(chance.uniform(0, 2 * (time.monotonic() - started)))
    finally:
        os.kill(pid, signal.SIGKILL)


def line_of(said, number):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lines = said.read_text().split("\n") if said.exists() else []
        if len(lines) > number + 1:  # else it is not whole yet
            return lines[number]
        time.sleep(0.002)
    raise AssertionError("the writer says nothing")


@contextmanager
def every_read_is_whole(store, kind):
    """Reads what is written, over and over, while it is written."""
    done = threading.Event()

    def read():
        seen = []
        while not done.wait(0.01):
            seen.extend(whole(store.get(key).data, kind) for key in keys_of(store, kind)[-2:])
        return seen

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            yield
        finally:
            done.set()
        seen = reading.result()
    assert seen
    assert all(seen)


def keys_of(store, kind):
    return list(store.list("new/")) if kind == "new" else [kind]


def whole(data, kind):
    return data == data[:1] * SIZES[kind]
