"""Four publishers at once, each in a process of its own, into a store of each kind."""

import hashlib
import json
import subprocess
import sys

import pytest
from coralline_core.store import open_store
from coralline_publisher.champion import Champion
from coralline_publisher.report import PublishReport

PUBLISHERS = 4

PUBLISH = """
import json, sys
from coralline_publisher import publish  # what takes long is loaded before the start
from coralline_publisher.step import execute

address, paths = sys.argv[1], json.loads(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
execute({"name": "hats"}, address, **paths)
"""


@pytest.fixture
def store(any_address):
    return open_store(any_address)


def test_four_publishers_at_once_leave_one_champion_and_no_version_half_there(
    store, make, any_address
):
    runs = [make(f"run{n}", weights=b"weights %d" % n) for n in range(PUBLISHERS)]
    publishers = [started(any_address, run) for run in runs]
    for publisher in publishers:
        assert publisher.stdout.readline() == "ready\n"
    for publisher in publishers:
        print(file=publisher.stdin, flush=True)
    for publisher in publishers:
        publisher.communicate(timeout=120)
        assert publisher.returncode == 0

    reports = [PublishReport.read(run.folder / "report.json") for run in runs]
    assert all(report.published for report in reports)
    before = {report.version: report.champion for report in reports}
    champion, _ = Champion.load(store)
    assert champion.previous == before[champion.version]
    lineage, version = [], champion.version
    while version is not None:
        lineage.append(version)
        version = before[version]
    assert sorted(lineage) == sorted(before), "each became champion after another, none in vain"
    for version in before:
        assert_whole(store, f"models/{version}")
    keys = list(store.list("models/"))
    assert {key.split("/")[1] for key in keys} == set(before)


def started(address, run):
    paths = {name: str(path) for name, path in run.paths.items()}
    paths |= {"published": str(run.published), "report": str(run.folder / "report.json")}
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH, address, json.dumps(paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def assert_whole(store, folder):
    lines = store.get(f"{folder}/SHA256SUMS").data.decode().splitlines()
    digests = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    assert set(store.list(f"{folder}/")) == {
        f"{folder}/{name}" for name in (*digests, "SHA256SUMS")
    }
    for name, digest in digests.items():
        assert hashlib.sha256(store.get(f"{folder}/{name}").data).hexdigest() == digest
