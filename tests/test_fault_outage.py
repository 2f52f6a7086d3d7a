"""The server is gone for twenty seconds while eight threads work: stopped, or killed and restarted.

The four cases run at once, for they are spent waiting.
"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from coralline_core.store import open_store
from object_stores import fake_gcs, make_gs_bucket, make_s3_bucket, seaweed

GONE_SECONDS = 20
RESTART_SECONDS = {"gs": 0, "s3": 12}  # until a server that was killed answers again
THREADS = 8

WORK = f"""
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from coralline_core.store import open_store

address, folder = sys.argv[1], Path(sys.argv[2])
stop = folder / "stop"
store = open_store(address)
(folder / "source").write_bytes(b"s" * (20 << 20))

def work(who):
    rounds, ended = 0, []
    while not stop.exists():
        key = f"{{who}}/{{rounds}}"
        assert store.put_if(f"new/{{key}}", key.encode(), None)
        store.put(f"put/{{key}}", key.encode())
        assert store.get(f"put/{{key}}").data == key.encode()
        assert list(store.list(f"new/{{key}}")) == [f"new/{{key}}"]
        if who == 0:
            store.put("file", folder / "source")
            with store.open("file") as file:
                assert file.read() == (folder / "source").read_bytes()
        rounds += 1
        ended.append(time.time())
        time.sleep(0.05)
    return rounds, ended[-1]

with ThreadPoolExecutor({THREADS}) as pool:
    working = pool.map(work, range({THREADS}))
    (folder / "working").touch()
    print(json.dumps(list(working)))
"""


def outage(kind, how, server, folder):
    """Work through an outage: the store's address and environment, and what each thread did.

    Of each thread: how many rounds, and whether the last ended after the outage.
    """
    server.start()
    environment = {"STORAGE_EMULATOR_HOST": server.url}
    environment |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    if kind == "gs":
        make_gs_bucket(server.url, "bucket")
        address = "gs://bucket"
    else:
        make_s3_bucket(server.url, "bucket")
        address = f"s3://bucket?endpoint={server.url}&region=us-east-1"
    worker = subprocess.Popen(
        [sys.executable, "-c", WORK, address, folder],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "working").exists():
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.05)
    time.sleep(3)
    if how == "stopped":
        server.send(signal.SIGSTOP)
        time.sleep(GONE_SECONDS)
        server.send(signal.SIGCONT)
    else:
        server.kill()
        time.sleep(GONE_SECONDS - RESTART_SECONDS[kind])
        server.start()
    back = time.time()
    (folder / "stop").touch()
    stdout, stderr = worker.communicate(timeout=60)
    assert worker.returncode == 0, stderr
    return address, environment, [(n, ended > back) for n, ended in json.loads(stdout)]


CASES = [(kind, how) for kind in ("gs", "s3") for how in ("stopped", "killed")]


@pytest.fixture(scope="module")
def outages(tmp_path_factory):
    folders = {case: tmp_path_factory.mktemp("-".join(case)) for case in CASES}
    servers = {
        case: fake_gcs(folder, keep=True) if case[0] == "gs" else seaweed(folder)
        for case, folder in folders.items()
    }
    with ThreadPoolExecutor(len(CASES)) as pool:
        yield {case: pool.submit(outage, *case, servers[case], folders[case]) for case in CASES}
    for server in servers.values():
        server.kill()


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_work_goes_on_after_an_outage_and_nothing_is_lost(outages, case, monkeypatch):
    address, environment, threads = outages[case].result()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(address)
    assert all(worked_on for _, worked_on in threads)
    done = {f"{who}/{n}" for who, (rounds, _) in enumerate(threads) for n in range(rounds)}
    keys = [*store.list("new/"), *store.list("put/")]
    assert set(keys) == {f"{folder}/{key}" for folder in ("new", "put") for key in done}
    with ThreadPoolExecutor(16) as pool:
        for key, stored in zip(keys, pool.map(store.get, keys), strict=True):
            assert stored.data.decode() == key.partition("/")[2]
    assert store.get("file").data == b"s" * (20 << 20)
