"""That `coralline gc` leaves a store whole, whenever it dies and whatever is done before it."""

import os
import shutil
import subprocess
import sys
import time

from coralline.upkeep.gc import delete_garbage, find_garbage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeper import SILENT, Dying, KilledError, later, orphan, versions


def test_killed_at_any_deletion_it_leaves_a_store_that_is_whole(keeper):
    runs = versions(keeper, 3)
    keeper.publish_model(runs[0][2])
    orphan(keeper)
    full = keeper.folder / "full"
    shutil.copytree(keeper.store.root, full)
    keeper.collect(keep_last=1)
    left = keeper.snapshot()
    total = sum(len(files) for *_, files in os.walk(full)) - len(left)
    dies_at = 0
    while True:
        shutil.rmtree(keeper.store.root)
        shutil.copytree(full, keeper.store.root)
        dying = Dying(keeper.store.root)
        dying.dies_at = dies_at = dies_at + 1
        found = find_garbage(dying, later(), SILENT, keep_last=1)
        try:
            delete_garbage(dying, found, SILENT)
        except KilledError:
            inventory = find_garbage(keeper.store, later(), SILENT).inventory
            assert set(inventory.named()) <= set(keeper.store.list("shards/"))
            keeper.collect(keep_last=1)
            assert keeper.snapshot() == left
        else:
            break
    assert dies_at - 1 <= total
    assert dies_at > 5


RUN = """
import sys
from datetime import UTC, datetime, timedelta
from coralline.upkeep.gc import delete_garbage, find_garbage
from coralline_core.progress import Progress
from coralline_core.store import open_store

store, before = open_store(sys.argv[1]), datetime.now(UTC) + timedelta(hours=1)
print("looking", flush=True)
found = find_garbage(store, before, Progress.silent(), 1)
print("deleting", flush=True)
delete_garbage(store, found, Progress.silent())
"""


def test_killed_with_9_it_leaves_a_store_that_is_whole(keeper):
    runs = versions(keeper, 3)
    for seed in range(40):
        orphan(keeper, label=f"l{seed}")
    for delay in (0, 0.002, 0.005, 0.01, 0.02):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, keeper.address], stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout.readline() == "looking\n"
            assert process.stdout.readline() == "deleting\n"
            time.sleep(delay)
            process.kill()
        inventory = find_garbage(keeper.store, later(), SILENT).inventory
        assert set(inventory.named()) <= set(keeper.store.list("shards/"))
    keeper.collect(keep_last=1)
    assert keeper.run() == runs[-1]


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_run_and_no_collection_takes_anything_from_what_is_kept(keeping, data):
    keeper = keeping()
    keeper.fill()
    seed = 10
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(st.sampled_from(["more", "fewer", "model", "collect"])):
            case "more":
                keeper.publish("dog", seed)
                seed += 1
                keeper.run()
            case "fewer":
                if len(keeper.lines) > 8:
                    keeper.list(keeper.lines[:-1])
                keeper.run()
            case "model":
                keeper.publish_model(keeper.run()[-1], f"v{seed}")
                seed += 1
            case "collect":
                keeper.collect(keep_last=data.draw(st.integers(1, 2)))
    keeper.collect(keep_last=1)
    inventory = find_garbage(keeper.store, later(), SILENT).inventory
    for dataset in inventory.datasets.values():
        assert len(keeper.shas(dataset)) == len(dataset)
    assert inventory.named().keys() <= set(keeper.store.list("shards/"))
    keeper.asked.clear()
    keeper.run()
    assert not [path for path in keeper.asked if path.endswith(".jpg")]
