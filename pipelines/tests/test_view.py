import io

import pytest
from coralline.view import view
from coralline_core.progress import Event
from rich.console import Console

EVENTS = [
    Event(step="crawl", event="start", time=100.0),
    Event(step="crawl", event="progress", time=100.1, done=5, total=50, unit="images"),
    Event(step="crawl", event="progress", time=100.2, done=6, total=50, unit="images"),
    Event(step="crawl", event="warning", time=100.3, message="mind the [gap]"),
    Event(
        step="crawl", event="progress", time=109.0, done=50, total=50, unit="images", note="2 bad"
    ),
    Event(
        step="crawl",
        event="end",
        time=109.5,
        seconds=9.5,
        done=50,
        total=50,
        unit="images",
        note="2 bad",
    ),
    Event(step="train", event="start", time=110.0),
    Event(step="train", event="progress", time=111.0, done=1, unit="epochs"),
]


@pytest.fixture
def shown():
    def shown(*, terminal, width=100):
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=width, color_system=None)
        with view(("crawl", "train", "publish"), console) as show:
            for event in EVENTS:
                show(event)
        return file.getvalue()

    return shown


def test_plain_lines_are_few_and_hold_what_was_said(shown):
    assert shown(terminal=False).splitlines() == [
        "crawl    started",
        "crawl    5/50 images",
        "crawl    warning: mind the [gap]",
        "crawl    50/50 images 2 bad",
        "crawl    done in 9.5 s: 50/50 images 2 bad",
        "train    started",
        "train    1 epochs",
    ]


def test_the_live_table_has_every_step(shown):
    text = shown(terminal=True)
    assert "✓  crawl" in text
    assert "50/50 images 2 bad" in text
    assert "9.5 s" in text
    assert "·  publish" in text
    assert "! crawl: mind the [gap]" in text
    assert "1 epochs" in text


@pytest.mark.parametrize("width", [34, 40, 79, 80, 100, 200])
def test_a_step_is_one_line_with_its_seconds_however_narrow(shown, width):
    last = shown(terminal=True, width=width).split("✓")[-1].splitlines()
    crawl, train, publish = last[:3]
    assert crawl.rstrip().endswith("9.5 s")
    assert train.rstrip().endswith(" s")
    assert publish.startswith("·  publish")
    assert ("━" in train) == (width >= 80)
    assert ("50/50 images 2 bad" in crawl) == (width > 40)
    assert ("…" in crawl) == (width <= 40)
