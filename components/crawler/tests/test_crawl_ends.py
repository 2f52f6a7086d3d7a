"""How crawls end early: interrupted, killed, or with too little; what they have is kept."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from coralline_core.dataset import Dataset
from coralline_crawler.record import Record

# The crawler silences Pillow's warning, which pytest turns on again.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def test_an_interrupt_keeps_what_was_fetched(site, photos, crawl, listed, respond):
    source = listed(cat=photos(30), dog=photos(2, first=30))
    site.delay = lambda path: 5 if path == "/0.jpg" else 0  # all others wait behind it

    def interrupt(request):
        os.kill(os.getpid(), signal.SIGINT)
        return respond(status="500 Oops")

    there = site.pages["/20.jpg"]
    site.pages["/20.jpg"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        crawl(source, per_host=2)
    kept = {request.path for request in site.asked()} - {"/20.jpg"}
    site.pages["/20.jpg"] = there
    site.delay = lambda _: 0
    site.requests.clear()
    crawled = crawl(source)
    asked = {request.path for request in site.asked()}
    assert 20 <= len(kept) < 32
    assert len(asked & kept) <= 2  # the slow one, and the one that was just being decoded
    assert len({row["sha256"] for row in crawled.rows}) == len(crawled.rows) == 32


FLUSHING = """
from coralline_crawler import ledger
ledger.FLUSH_SECONDS = 0.1  # not half a minute, for a test
from coralline_crawler.step import execute
execute.main()
"""


@pytest.fixture
def command(tmp_path, store, listed, photos):
    """Starts the crawler as a process of its own: 30 photos of cats, 10 of dogs."""
    (tmp_path / "tmp").mkdir()
    source = listed(cat=photos(30), dog=photos(10, first=30))
    (tmp_path / "crawl.yaml").write_text(
        json.dumps(
            {
                "labels": {"cat": {"queries": ["cat"]}, "dog": {"queries": ["dog"]}},
                "sources": [source],
                "allow_private_addresses": True,
                "min_per_label": 10,
            }
        )
    )

    def start(*program):
        return subprocess.Popen(
            [
                *(sys.executable, *(program or ("-m", "coralline_crawler"))),
                *("--settings", tmp_path / "crawl.yaml", "--store", store.root),
                *("--images", tmp_path / "images.json", "--report", tmp_path / "report.json"),
            ],
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def recorded(store):
    records = [Record.model_validate_json(store.get(key).data) for key in store.list("crawls/")]
    return {visit.url for record in records for visit in record.visits}


def wait_until(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_crawl_that_is_killed_is_finished_by_the_next(site, command, store, tmp_path):
    site.delay = lambda _: 0.1
    first = command("-c", FLUSHING)
    wait_until(lambda: recorded(store))
    first.kill()
    first.communicate()
    before = recorded(store)
    site.requests.clear()
    second = command()
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert {site.url(request.path) for request in site.asked()}.isdisjoint(before)
    assert len(before) + len(site.asked()) == 40
    dataset = Dataset.read(tmp_path / "images.json")
    shas = Counter(row["sha256"] for row in dataset.iter_rows(store))
    assert len(shas) == 40
    assert set(shas.values()) == {1}
    assert json.loads((tmp_path / "report.json").read_text())["fetched"] == 40 - len(before)
    assert store.get(f"datasets/{dataset.id}.json") is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_crawl_that_is_stopped_keeps_what_it_has_and_says_no_more(
    site, command, store, number, tmp_path
):
    site.delay = lambda _: 0.2
    process = command()
    wait_until(lambda: len(site.asked()) > 16)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "never retrieved" not in said
    assert 4 <= len(recorded(store)) < 40
    assert list((tmp_path / "tmp").iterdir()) == []


def test_too_few_images_end_the_command_with_an_error(site, command, tmp_path, store):
    for seed in range(35, 40):
        del site.pages[f"/{seed}.jpg"]
    process = command()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "'dog' has 5 images (5 not-found); wanted are 10 of each label" in said
    assert Dataset.read(tmp_path / "images.json").counts == {"cat": {"": 30}, "dog": {"": 5}}
    assert len(recorded(store)) == 40
