"""Eight people correct labels at once, each in a process of their own, in a store of each kind."""

import subprocess
import sys

from coralline_core.corrections import FOLDER, corrected
from coralline_core.store import open_store

WRITERS = 8
EACH = 12

CORRECT = f"""
import sys
from datetime import UTC, datetime
from coralline_core.corrections import Correction, record
from coralline_core.store import open_store

address, who = sys.argv[1:]
store = open_store(address)
print("ready", flush=True)
sys.stdin.readline()
for number in range({EACH}):
    images = f"{{who}}-{{number}}", "disputed"
    record(store, Correction(images=images, label=who, who=who, at=datetime.now(UTC)))
"""


def test_eight_writers_of_corrections_lose_none(any_address):
    people = [f"person{number}" for number in range(WRITERS)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", CORRECT, any_address, person],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for person in people
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        print(file=writer.stdin, flush=True)
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0

    store = open_store(any_address)
    assert len(list(store.list(FOLDER))) == WRITERS * EACH
    labels = corrected(store)
    assert labels.pop("disputed") in people
    assert labels == {f"{who}-{number}": who for who in people for number in range(EACH)}
