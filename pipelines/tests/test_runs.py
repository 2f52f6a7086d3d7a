"""A run's folder, its lock, and what it leaves behind."""

import json
import threading

import pytest
from coralline.runs import _failure, _finish, _lock, _new_folder, _point_latest
from coralline_core.errors import CorallineError
from coralline_core.progress import Event


def test_each_run_has_a_folder_of_its_own_in_the_order_of_time(tmp_path):
    folders = [_new_folder(tmp_path / "runs") for _ in range(12)]
    assert len(set(folders)) == 12
    assert all(folder.is_dir() for folder in folders)
    assert folders[0].name == min(folder.name for folder in folders)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    runs = tmp_path / "runs"
    with _lock(runs):
        with (
            pytest.raises(CorallineError, match=r"another run is at work\. Wait for it") as caught,
            _lock(runs),
        ):
            pass
        assert caught.value.where == str(runs)
        with _lock(tmp_path / "others"):
            pass
    with _lock(runs):
        pass


def test_latest_is_there_at_every_instant(tmp_path):
    folders = [tmp_path / "1", tmp_path / "2"]
    for folder in folders:
        folder.mkdir()
    latest = tmp_path / "latest"
    _point_latest(tmp_path, folders[0])
    ended = threading.Event()

    def point():
        for turn in range(500):
            _point_latest(tmp_path, folders[turn % 2])
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
    (tmp_path / ".latest").symlink_to("gone")
    (tmp_path / "1").mkdir()
    _point_latest(tmp_path, tmp_path / "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "latest"]


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
    error = _failure(tmp_path, events)
    assert str(error).startswith(f"{tmp_path}/run.log: {step} ended unexpectedly. The log's end")
    assert error.exit_code == 1


def test_what_was_published_is_put_where_people_look(tmp_path):
    published = tmp_path / "artifacts" / "coralline-train-1" / "publish" / "published"
    (published / "model").mkdir(parents=True)
    (published / "model" / "labels.txt").write_text("a\n")
    (published / "report.html").write_text("page")
    (published / "summary.json").write_text('{"decision": "published"}')
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
