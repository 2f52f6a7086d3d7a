"""A run that is interrupted or killed, wherever it is, and run again."""

import signal
import time

import pytest
from coralline_core.dataset import Dataset
from coralline_core.store import FileStore

STEPS = ("crawl", "curate", "crop", "train", "convert", "compile", "publish")


@pytest.fixture(scope="module")
def untouched(workplace, quick):
    """The summary of a run that nothing disturbed."""
    place = workplace(quick)
    done = place.run()
    assert done.returncode == 0, done.stderr
    return place.summary


def wait_until_gone(place, seconds=60):
    deadline = time.monotonic() + seconds
    while left := place.processes():
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.1)


def photos(place):
    """The sha256 and split of every photo of the newest run's dataset."""
    name = f"datasets/{place.summary['dataset']}.json"
    store = FileStore(place.store)
    crops = Dataset.model_validate_json(store.get(name).data)
    rows = crops.iter_rows(store, ["source_sha256", "split"])
    return sorted((row["source_sha256"], row["split"]) for row in rows)


def test_ctrl_c_says_one_line_keeps_what_there_is_and_leaves_no_process(workplace, quick):
    place = workplace(quick)
    process = place.start("run", "project.yaml")
    place.wait_for_event("crop", "end", process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines() == ["interrupted; what is in the store is kept, run again to go on"]
    assert place.processes() == []
    assert not place.latest.exists()


def test_a_run_killed_in_every_step_comes_to_the_same_end(workplace, quick, untouched, asked):
    place = workplace(quick)
    before = asked()
    for step in STEPS:
        process = place.start("run", "project.yaml")
        place.wait_for_event(step, "start", process)
        process.kill()
        process.communicate(timeout=60)
        wait_until_gone(place)
    done = place.run()
    assert done.returncode == 0, done.stderr
    summary = place.summary
    kept_alike = {**untouched["images"], "fetched": summary["images"]["fetched"]}
    assert summary["images"] == kept_alike
    found = photos(place)
    assert len(found) == len({sha for sha, _ in found}) == 400
    assert summary["published"] is True
    # The crawl was stopped once, and nothing that was kept then is asked for again.
    assert asked() - before < 2 * summary["images"]["crawled"]
