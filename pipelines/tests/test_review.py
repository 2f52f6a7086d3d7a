"""`coralline review`: a project's labels and store, on a page that opens by itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reviewing import Client

COMMAND = Path(sys.executable).with_name("coralline")


@pytest.fixture
def review(project_file, tmp_path):
    """Starts the command; gives the process and who asks it."""
    started = []

    def review(*options, **environment):
        command = [COMMAND, "review", project_file(""), "--port", "0", *options]
        environment = {**os.environ, **environment}
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        )
        return started[-1], Client(started[-1].stdout.readline().split()[0])

    yield review
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_page_with_the_projects_labels_until_it_is_ended(review, number):
    process, page = review("--no-browser", "--who", "Ada")
    state = page.state(lambda state: not state["looking"])
    assert state["labels"] == ["a", "b"]
    assert (state["who"], state["dataset"], state["error"]) == ("Ada", None, None)
    process.send_signal(number)
    assert process.wait(timeout=10) == 0


def test_a_browser_is_opened_at_the_page(review, tmp_path):
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.new && mv {seen}.new {seen}\n')
    browser.chmod(0o755)
    _, page = review(BROWSER=str(browser))
    deadline = time.monotonic() + 20
    while not seen.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert seen.read_text() == f"{page.url}\n"
