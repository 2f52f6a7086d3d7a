import json
import os
import pickle
import re
import subprocess
import sys
import time

import pytest
from coralline_core.errors import CorallineError, GateError
from coralline_core.progress import ENVIRONMENT, Progress, read_events

SCRIPT = '''
import time
from pathlib import Path
from typing import Literal

from coralline_core.command import Step
from coralline_core.errors import CorallineError, GateError
from coralline_core.settings import Settings
from pydantic import Field


class BakeSettings(Settings):
    count: int = Field(default=3, ge=1)
    how: Literal["well", "error", "gate", "wait", "crash"] = "well"


def _work(settings, store, progress, *, dough: Path, warm_bread: Path):
    """Bake the dough.

    Example:
        python -m coralline_baker --dough dough.txt --warm-bread bread.txt
    """
    if settings.how == "error":
        raise CorallineError("no oven", where="kitchen", fix="Buy one.")
    if settings.how == "crash":
        raise ZeroDivisionError
    for _ in progress.track(range(settings.count), settings.count, "loaves"):
        pass
    if settings.how == "wait":
        dough.with_suffix(".ready").touch()
        time.sleep(60)
    progress.warn("hot")
    store.put("bread", dough.read_bytes())
    warm_bread.write_bytes(dough.read_bytes())
    if settings.how == "gate":
        raise GateError("burnt", where="bake.min_taste")


execute = Step("bake", BakeSettings, _work)

if __name__ == "__main__":
    execute.main()
'''


LINE = ["--store", "store", "--dough", "dough", "--warm-bread", "bread"]


@pytest.fixture
def command(tmp_path):
    """Starts the step in tmp_path, with its settings as bytes, and events to a file if named."""
    (tmp_path / "bake.py").write_text(SCRIPT)
    (tmp_path / "dough").write_text("flour")
    environment = {key: value for key, value in os.environ.items() if key != ENVIRONMENT}

    def start(settings=b"count: 3", events=None, line=(*LINE, "--settings", "bake.yaml")):
        (tmp_path / "bake.yaml").write_bytes(settings)
        return subprocess.Popen(
            [sys.executable, "bake.py", *line],
            cwd=tmp_path,
            env=environment | ({ENVIRONMENT: str(events)} if events else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def finish(process):
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors.splitlines()


def test_success(command, tmp_path):
    code, lines = finish(command())
    assert code == 0
    assert lines[:-1] == [
        "bake     started",
        "bake     1/3 loaves",
        "bake     3/3 loaves",
        "bake     warning: hot",
    ]
    assert re.fullmatch(r"bake     done in [\d.]+ s: 3/3 loaves", lines[-1])
    assert (tmp_path / "bread").read_text() == "flour"
    assert (tmp_path / "store" / "bread").read_text() == "flour"


def test_settings_are_read(command):
    code, lines = finish(command(b"count: 7"))
    assert code == 0
    assert "bake     7/7 loaves" in lines


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [("error", 2, "kitchen: no oven. Buy one."), ("gate", 3, "bake.min_taste: burnt")],
)
def test_an_error_is_one_line_and_an_exit_code(command, tmp_path, how, code, line):
    result = finish(command(f"how: {how}".encode(), tmp_path / "events"))
    assert result == (code, [line])
    *_, last = read_events(tmp_path / "events")[0]
    assert last.event == "error"
    assert str(last.error()) == line
    assert last.error().exit_code == code


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (b"count: 0", "settings of bake: count: Input should be greater than or equal to 1"),
        (b"count: many", "settings of bake: count: Input should be a valid integer"),
        (b"salt: 1", "settings of bake: salt: Extra inputs are not permitted"),
        (b"how: badly", "settings of bake: how: Input should be"),
        (b"- count", "bake.yaml: not a mapping of settings"),
        (b"", "bake.yaml: not a mapping of settings"),
        (b"count: [1\nhow: 2", "bake.yaml: not YAML: "),
        (b"a: b: c", 'mapping values are not allowed here in "bake.yaml", line 1, column 5'),
        (b"how: \xff\xfe", "bake.yaml: not YAML: "),
    ],
)
def test_wrong_settings_are_one_line_and_do_nothing(command, tmp_path, settings, says):
    code, lines = finish(command(settings, tmp_path / "events"))
    assert code == 2
    assert len(lines) == 1
    assert says in lines[0]
    assert not (tmp_path / "bread").exists()
    assert not (tmp_path / "store").exists()


def test_a_settings_file_that_is_not_there(command):
    process = command(line=(*LINE, "--settings", "none.yaml"))
    assert finish(process) == (2, ["none.yaml: No such file or directory"])


def test_settings_may_be_left_out(command):
    code, lines = finish(command(line=LINE))
    assert code == 0
    assert "bake     3/3 loaves" in lines


def test_a_fault_of_ours_is_not_hidden(command):
    code, lines = finish(command(b"how: crash"))
    assert code == 1
    assert lines[-1] == "ZeroDivisionError"


def test_help_shows_the_example(command):
    shown, _ = command(line=["--help"]).communicate(timeout=30)
    assert "Bake the dough.\n\nExample:\n    python -m coralline_baker --dough dough.txt" in shown
    assert "BakeSettings" in shown
    assert "--warm-bread" in shown


@pytest.mark.parametrize("line", [LINE[2:], LINE[:-2], [*LINE, "--salt", "1"]])
def test_a_wrong_line_exits_with_2(command, line):
    code, lines = finish(command(line=line))
    assert code == 2
    assert "--" in lines[-1]


def test_a_stopped_step_exits_with_130(command, tmp_path):
    process = command(b"how: wait")
    deadline = time.monotonic() + 30
    while not (tmp_path / "dough.ready").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    code, lines = finish(process)
    assert code == 130
    assert "Traceback" not in "\n".join(lines)


def test_events_go_to_the_file_that_the_environment_names(command, tmp_path):
    code, lines = finish(command(b"count: 5", tmp_path / "events"))
    assert (code, lines) == (0, [])
    events, offset = read_events(tmp_path / "events")
    assert [event.event for event in events] == ["start", "progress", "progress", "warning", "end"]
    assert {event.step for event in events} == {"bake"}
    assert (events[2].done, events[2].total, events[2].unit) == (5, 5, "loaves")
    assert events[3].message == "hot"
    assert offset == (tmp_path / "events").stat().st_size


def test_half_a_line_is_read_later(tmp_path):
    path = tmp_path / "events"
    assert read_events(path) == ([], 0)
    first, second = (
        json.dumps({"step": "s", "event": "warning", "time": 0, "message": m}, ensure_ascii=False)
        for m in ("one\u2028", "zwei é")
    )
    data = f"{first}\n{second}\n".encode()
    half = data.index("é".encode()) + 1  # in the middle of a character, too
    path.write_bytes(data[:half])
    events, offset = read_events(path)
    assert [event.message for event in events] == ["one\u2028"]
    assert read_events(path, offset) == ([], offset)
    path.write_bytes(data)
    events, offset = read_events(path, offset)
    assert [event.message for event in events] == ["zwei é"]
    assert offset == len(data)


@pytest.fixture
def said():
    return []


def test_progress_is_throttled_but_its_end_is_said(said):
    progress = Progress("s", said.append, interval=60)
    for _ in progress.track(range(1000), 1000, "images"):
        pass
    assert [event.done for event in said] == [1, 1000]


def test_an_end_that_was_foreseen_is_said_at_once(said):
    progress = Progress("s", said.append, interval=60)
    for done in range(1, 11):
        progress.update(done, 10)
    assert [event.done for event in said] == [1, 10]


@pytest.mark.parametrize("total", [None, 2000])
def test_an_end_that_was_not_foreseen_is_said(said, total):
    progress = Progress("s", said.append, interval=60)
    for _ in progress.track(range(1000), total, "images"):
        pass
    assert [event.done for event in said] == [1, 1000]


def test_what_was_held_back_is_said_at_the_end(said):
    progress = Progress("s", said.append, interval=60)
    progress.start()
    for done in range(1, 10):
        progress.update(done, 100)
    progress.fail(CorallineError("x"))
    assert [(event.event, event.done) for event in said] == [
        ("start", 0),
        ("progress", 1),
        ("progress", 9),
        ("error", 0),
    ]


def test_the_end_says_how_far_the_work_came(said):
    progress = Progress("s", said.append, interval=0)
    progress.start()
    progress.end()
    progress.update(3, 3, "images", "1 bad")
    progress.end()
    ends = [event for event in said if event.event == "end"]
    assert [event.line() for event in ends] == [
        "s        done in 0.0 s",
        "s        done in 0.0 s: 3/3 images 1 bad",
    ]


def test_a_line_that_a_full_disk_tore_is_left_out(tmp_path):
    path = tmp_path / "events"
    whole = b'{"step": "s", "event": "start", "time": 1}\n'
    path.write_bytes(b'{"step": "s", "ev' + whole + whole + b'{"st')
    events, offset = read_events(path)
    assert [event.event for event in events] == ["start"]
    assert offset == path.stat().st_size - 4


def test_without_throttle_everything_is_said(said):
    progress = Progress("s", said.append, interval=0)
    for _ in progress.track("abc", 3, "letters"):
        pass
    assert [event.line() for event in said] == [f"s        {n}/3 letters" for n in (1, 2, 3)]


@pytest.mark.parametrize("kind", [CorallineError, GateError])
def test_an_error_crosses_processes(kind):
    error = pickle.loads(pickle.dumps(kind("what", where="where", fix="Fix.")))
    assert type(error) is kind
    assert str(error) == "where: what. Fix."
