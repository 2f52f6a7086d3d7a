"""A run's folder, its lock, and what it leaves behind."""

import errno
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from coralline.run_folder import check_latest, clear, hold, new_folder, point_latest, write
from coralline.runs import _failure, _finish
from coralline_core.errors import CorallineError
from coralline_core.progress import Event

SPACE = "Free some space, or name another folder with --runs."


@pytest.fixture
def published(tmp_path):
    """What the publisher made, in a run's artifacts."""
    published = tmp_path / "artifacts" / "coralline-train-1" / "publish" / "published"
    (published / "model" / "more").mkdir(parents=True)
    (published / "model" / "labels.txt").write_text("a\n")
    (published / "model" / "more" / "a.txt").write_text("b\n")
    (published / "report.html").write_text("page")
    (published / "summary.json").write_text('{"decision": "published"}')
    return published


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_each_run_has_a_folder_of_its_own_in_the_order_of_time(tmp_path):
    folders = []
    for _ in range(12):
        with new_folder(tmp_path / "runs") as (folder, _):
            folders.append(folder)
    assert len(set(folders)) == 12
    assert all(folder.is_dir() for folder in folders)
    assert folders[0].name == min(folder.name for folder in folders)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    store = (tmp_path / "store").as_uri()
    said = r"another run is at work on this store\. Wait for it to end\."
    with hold(store):
        with pytest.raises(CorallineError, match=said) as caught, hold(store):
            pass
        assert caught.value.where == store
        with hold((tmp_path / "other").as_uri()):
            pass
    with hold(store):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_place_without_room_for_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(CorallineError, match=r"gone/coralline-\w{16}\.lock: No such"), hold("s"):
        pass


def test_temporary_files_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    with new_folder(tmp_path) as (dead, _):
        pass
    with new_folder(tmp_path) as (living, _):
        for folder in (dead, living):
            (folder / ".temporary-1" / "task").mkdir(parents=True)
            (folder / "run.log").touch()
        clear(tmp_path)
        assert [path.name for path in dead.iterdir()] == ["run.log"]
        assert (living / ".temporary-1" / "task").is_dir()


@pytest.mark.parametrize("make", ["mkdir", "touch"])
def test_what_is_in_the_place_of_latest_is_said_before_the_run(tmp_path, make):
    latest = tmp_path / "latest"
    check_latest(tmp_path)
    latest.symlink_to("gone")
    check_latest(tmp_path)
    latest.unlink()
    getattr(latest, make)()
    with pytest.raises(CorallineError, match=r"latest: not a link.*Move it away"):
        check_latest(tmp_path)


def test_latest_is_there_at_every_instant(tmp_path):
    folders = [tmp_path / "1", tmp_path / "2"]
    for folder in folders:
        folder.mkdir()
    latest = tmp_path / "latest"
    point_latest(tmp_path, folders[0])
    ended = threading.Event()

    def point():
        for turn in range(500):
            point_latest(tmp_path, folders[turn % 2])
        ended.set()

    thread = threading.Thread(target=point)
    thread.start()
    seen = set()
    while not ended.is_set():
        seen.add(str(latest.readlink()))
    thread.join()
    assert seen <= {"1", "2"}
    assert str(latest.readlink()) == "2"
    assert latest.resolve() == folders[1]


def test_latest_outlives_a_run_that_died_while_pointing(tmp_path):
    for name in "12":
        (tmp_path / name).mkdir()
    (tmp_path / "1" / ".latest").symlink_to("1")
    point_latest(tmp_path, tmp_path / "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "latest"]
    assert list((tmp_path / "2").iterdir()) == []


def test_a_failure_is_what_the_step_said(tmp_path):
    events = [
        Event(step="crawl", event="start", time=0),
        Event(step="crawl", event="error", time=1, message="no", where="w", fix="F.", exit_code=2),
    ]
    error = _failure(tmp_path, events)
    assert (str(error), error.exit_code) == ("w: no. F.", 2)


@pytest.mark.parametrize(("started", "step"), [(["crawl", "train"], "train"), ([], "the pipeline")])
def test_a_failure_that_nobody_spoke_of_names_the_step_and_the_log(tmp_path, started, step):
    events = [Event(step=step, event="start", time=0) for step in started]
    (tmp_path / "run.log").write_text("Traceback")
    error = _failure(tmp_path, events)
    assert str(error).startswith(f"{tmp_path}/run.log: {step} ended unexpectedly. The log's end")
    assert error.exit_code == 1
    (tmp_path / "run.log").unlink()
    kept = "What is in the store is kept: run again."
    assert str(_failure(tmp_path, events)) == f"{tmp_path}: {step} ended unexpectedly. {kept}"


def test_a_step_that_a_full_disk_ended_asks_for_space(tmp_path):
    log = "Traceback\nOSError: [Errno 28] No space left on device\n"
    (tmp_path / "run.log").write_text("x" * 100_000 + log)
    error = _failure(tmp_path, [Event(step="crop", event="start", time=0)])
    assert (str(error), error.exit_code) == (f"{tmp_path}: no space was left for crop. {SPACE}", 2)


def test_a_full_disk_at_the_end_is_a_line_and_leaves_nothing_half(tmp_path, published, monkeypatch):
    copied = []

    def copyfile(source, place):
        copied.append(source.name)
        place.touch()
        if len(copied) == 2:
            full()

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    with pytest.raises(CorallineError) as caught:
        _finish(tmp_path, [])
    assert (
        str(caught.value)
        == f"{tmp_path / 'model/more/a.txt'}: {os.strerror(errno.ENOSPC)}. {SPACE}"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_a_file_of_the_run_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CorallineError, match="No space left on device") as caught:
        write(Path("/dev/full"), "text")
    assert (caught.value.where, caught.value.fix) == ("/dev/full", SPACE)


def test_what_was_published_is_put_where_people_look(tmp_path, published):
    events = [
        Event(step="crawl", event="end", time=1, seconds=1.23456),
        Event(step="train", event="start", time=1),
        Event(step="train", event="end", time=9, seconds=8),
    ]
    summary = _finish(tmp_path, events)
    assert summary == {
        "decision": "published",
        "seconds": {"crawl": 1.23, "train": 8.0},
        "model": str(tmp_path / "model"),
    }
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (tmp_path / "report.html").read_text() == "page"
    assert (tmp_path / "model" / "labels.txt").read_text() == "a\n"
    assert (tmp_path / "model" / "more" / "a.txt").read_text() == "b\n"
    assert not list(tmp_path.glob(".*"))
