"""Machines whose clocks are an hour off: real processes under libfaketime."""

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from coralline_core.corrections import FOLDER, Correction, corrected
from coralline_core.journal import read
from coralline_core.store import open_store
from object_stores import make_s3_bucket, seaweed

FAKETIME = (
    Path(importlib.util.find_spec("libfaketime").origin).parent
    / "vendor/libfaketime/src/libfaketime.so.1"
)


def clock(off):
    """The environment of a process whose clock is off by `off`, such as `-1h`."""
    return os.environ | {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": off,
        "DONT_FAKE_MONOTONIC": "1",  # a clock that is set wrong runs as fast as others
        "NO_FAKE_STAT": "1",
    }


# Records a correction for each line of its input, and says its key and the time.
CORRECT = """
import sys
from datetime import UTC, datetime
from coralline_core.corrections import Correction, record
from coralline_core.store import open_store

store = open_store(sys.argv[1])
for label in sys.stdin:
    now = datetime.now(UTC)
    key = record(store, Correction(images=("disputed",), label=label.strip(), at=now))
    print(key, now.isoformat(), flush=True)
"""


def test_corrections_keep_their_order_where_clocks_are_an_hour_off(any_address):
    with ExitStack() as stack:
        people = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CORRECT, any_address],
                    env=clock(off),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for off in ("+0", "-1h", "+1h")
        ]
        said, keys, times = [], [], []
        for turn, person in enumerate([0, 1, 0, 2, 0, 1, 2, 1, 0]):
            said.append(f"{turn} by {person}")
            print(said[-1], file=people[person].stdin, flush=True)
            key, time = people[person].stdout.readline().split()
            keys.append(key)
            times.append(time)
        for person in people:
            person.stdin.close()
    assert times != sorted(times), "the clocks were off"
    assert keys == sorted(keys)
    store = open_store(any_address)
    assert [one.label for _, one in read(store, Correction, store.list(FOLDER))] == said
    assert corrected(store) == {"disputed": said[-1]}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A bucket of a SeaweedFS that holds signatures against its clock, as Amazon does."""
    credentials = [{"accessKey": "any", "secretKey": "secret"}]
    actions = ["Admin", "Read", "List", "Write"]
    identity = {"name": "any", "credentials": credentials, "actions": actions}
    config = tmp_path_factory.mktemp("strict") / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    with seaweed(tmp_path_factory.mktemp("weed"), f"-s3.config={config}") as server:
        make_s3_bucket(server.url, "bucket", "secret")
        yield f"s3://bucket?endpoint={server.url}&region=us-east-1"


CHECK = """
import sys
from coralline_core.errors import CorallineError
from coralline_core.store import open_store

try:
    open_store(sys.argv[1]).check_writable()
except CorallineError as error:
    print(error)
else:
    print("well")
"""


@pytest.mark.parametrize(
    ("off", "said"),
    [("+0", "well"), ("-1h", "Set this machine's clock"), ("+1h", "Set this machine's clock")],
)
def test_a_clock_that_s3_does_not_accept_is_said_at_the_start(strict, off, said):
    check = [sys.executable, "-c", CHECK, strict]
    environment = clock(off) | {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "secret"}
    done = subprocess.run(check, env=environment, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert said in line
