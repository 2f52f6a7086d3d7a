"""Artifacts of a run that lie in the store, and steps that wait for each other there."""

import os
import subprocess
import sys
import threading
import time

import pytest
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.handover import Handover, dataset_file
from coralline_core.store import FileStore

BAKER = '''
from pathlib import Path

from coralline_core.command import Step
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.settings import Settings


class NoSettings(Settings):
    fail: bool = False
    spoil: bool = False


def _knead(settings, store, progress, *, dough: Path, report: Path):
    """Knead."""
    if settings.spoil:  # nothing can be written below it
        store.root.mkdir()
        (store.root / "runs").write_text("")
    if settings.fail:
        raise CorallineError("no flour", where="knead.flour", fix="Buy some.")
    dough.mkdir()
    (dough / "inner").mkdir()
    (dough / "inner" / "crumb").write_text("soft")
    report.write_text("kneaded")
    with open("kneaded", "a") as file:
        file.write(".")


def _bake(settings, store, progress, *, dough: Path, knead_report: Path, bread: Path):
    """Bake."""
    assert knead_report.read_text() == "kneaded"
    bread.write_text((dough / "inner" / "crumb").read_text() + " bread")


if __name__ == "__main__":
    import sys
    steps = {"knead": _knead, "bake": _bake}
    Step(sys.argv[1], NoSettings, steps[sys.argv[1]]).main(sys.argv[2:])
'''
KNEAD = ["knead", "--dough", "knead/dough", "--report", "knead/report"]
BAKE = ["bake", "--dough", "knead/dough", "--knead-report", "knead/report", "--bread", "bake/bread"]


@pytest.fixture
def start(tmp_path):
    """Starts a step of the baker in the run `r1`."""
    (tmp_path / "baker.py").write_text(BAKER)
    (tmp_path / "fail.yaml").write_text("fail: true")
    started = []

    def start(line, *more, run="r1"):
        line = [*line, "--store", "store", "--run", run, *more]
        command = [sys.executable, "baker.py", *line]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process):
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def artifact(tmp_path, step, name):
    handover = Handover(FileStore(tmp_path / "store"), "r1")
    handover.wait([step])
    handover.fetch(step, name, tmp_path / "fetched" / name)
    return tmp_path / "fetched" / name


def test_a_step_waits_for_what_it_needs_and_gets_it(start, tmp_path):
    bake = start(BAKE)
    time.sleep(1)
    assert bake.poll() is None
    assert finish(start(KNEAD))[0] == 0
    code, errors = finish(bake)
    assert code == 0, errors
    assert "bake     waits for knead" in errors
    assert artifact(tmp_path, "bake", "bread").read_text() == "soft bread"


def test_a_step_that_was_done_in_this_run_is_not_done_again(start, tmp_path):
    assert finish(start(KNEAD))[0] == 0
    code, errors = finish(start(KNEAD))
    assert (code, errors) == (0, "knead    was done before in this run\n")
    assert (tmp_path / "kneaded").read_text() == "."
    assert finish(start(KNEAD, run="r2"))[0] == 0
    assert (tmp_path / "kneaded").read_text() == ".."


def test_nobody_waits_for_a_step_that_failed(start):
    bake = start(BAKE)
    code, errors = finish(start(KNEAD, "--settings", "fail.yaml"))
    assert code == 2
    assert "knead.flour: no flour. Buy some." in errors
    code, errors = finish(bake)
    assert code == 2
    assert errors.endswith("knead.flour: knead failed: no flour. Buy some.\n")


def test_where_a_store_takes_no_failure_it_is_still_the_step_s_own_that_is_said(start, tmp_path):
    (tmp_path / "spoil.yaml").write_text("{fail: true, spoil: true}")
    code, errors = finish(start(KNEAD, "--settings", "spoil.yaml"))
    assert code == 2
    assert errors.splitlines()[-2:] == [
        "knead    the other steps could not be told: they wait until their deadline",
        "knead.flour: no flour. Buy some.",
    ]


def test_a_failure_is_handed_on_as_that_of_the_step_that_failed(tmp_path):
    store = FileStore(tmp_path / "store")
    Handover(store, "r").fail("crop", CorallineError("no boxes", where="crop.boxes"))
    for step, before in (("train", "crop"), ("convert", "train")):
        with pytest.raises(CorallineError) as raised:
            Handover(store, "r").wait([before])
        assert str(raised.value) == "crop.boxes: crop failed: no boxes"
        Handover(store, "r").fail(step, raised.value)


def test_what_a_step_did_not_make_is_not_delivered(tmp_path):
    handover = Handover(FileStore(tmp_path / "store"), "r")
    with pytest.raises(CorallineError, match="train made no model"):
        handover.deliver("train", {"model": tmp_path / "model"})
    assert not handover.has("train")


def test_a_step_that_failed_can_be_done_again(start, tmp_path):
    assert finish(start(KNEAD, "--settings", "fail.yaml"))[0] == 2
    assert finish(start(KNEAD))[0] == 0
    assert (artifact(tmp_path, "knead", "dough") / "inner" / "crumb").read_text() == "soft"


def test_of_two_attempts_the_first_to_end_counts(tmp_path):
    store = FileStore(tmp_path / "store")
    counted = []

    def deliver(n):
        made = tmp_path / f"made-{n}"
        made.write_text(f"by {n}")
        if Handover(store, "r").deliver("train", {"model": made}):
            counted.append(n)

    threads = [threading.Thread(target=deliver, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = counted
    handover = Handover(store, "r")
    handover.wait(["train"])
    handover.fetch("train", "model", tmp_path / "model")
    assert (tmp_path / "model").read_text() == f"by {winner}"


def test_a_failure_never_replaces_a_success(tmp_path):
    handover = Handover(FileStore(tmp_path / "store"), "r")
    (tmp_path / "made").write_text("x")
    assert handover.deliver("crop", {"crops": tmp_path / "made"})
    handover.fail("crop", CorallineError("too late"))
    assert handover.has("crop")


def test_an_artifact_of_which_a_bit_is_another_is_not_handed_on(tmp_path):
    store = FileStore(tmp_path / "store")
    handover = Handover(store, "r")
    (tmp_path / "made").write_text("x")
    handover.deliver("crop", {"crops": tmp_path / "made"})
    [key] = store.list("runs/r/crop/")
    store.put(key, b"y")
    handover.wait(["crop"])
    with pytest.raises(CorallineError, match="not what was written"):
        handover.fetch("crop", "crops", tmp_path / "crops")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["knead", "--dough", "dough", "--report", "knead/report"], "--dough: 'dough' is no"),
        (["bake", "--dough", "knead/x", *BAKE[3:]], "knead made no x"),
    ],
)
def test_a_place_that_is_none_is_said(start, line, says):
    assert finish(start(KNEAD))[0] == 0
    code, errors = finish(start(line))
    assert code == 2
    assert says in errors


def test_a_run_has_a_plain_name(start):
    code, errors = finish(start(KNEAD, run="../x"))
    assert code == 2
    assert "is no name" in errors


def test_a_waiting_step_that_is_stopped_exits_with_130(start):
    bake = start(BAKE)
    assert "waits" in bake.stderr.readline()
    bake.terminate()
    assert finish(bake) == (130, "")


def test_a_record_that_says_something_else_is_named(tmp_path):
    store = FileStore(tmp_path / "store")
    store.put("runs/r/crop.json", b"{")
    with pytest.raises(CorallineError, match=r"runs/r/crop\.json: not how a step ended") as raised:
        Handover(store, "r").has("crop")
    assert os.linesep not in str(raised.value)


def test_a_dataset_s_manifest_is_brought_by_its_id(tmp_path):
    dataset = Dataset(kind="crops", shards=(), counts={"cat": {"train": 1}})
    dataset.save(FileStore(tmp_path / "store"))
    brought = Dataset.read(dataset_file((tmp_path / "store").as_uri(), dataset.id))
    assert (brought.id, brought.counts) == (dataset.id, dataset.counts)


def test_a_dataset_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CorallineError, match="no such dataset") as raised:
        dataset_file((tmp_path / "store").as_uri(), "0123456789abcdef")
    assert raised.value.where == "datasets/0123456789abcdef.json"
