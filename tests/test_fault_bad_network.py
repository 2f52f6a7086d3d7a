"""One request in five meets a 503 or a reset connection: before, after or amid what it asks for."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import yaml
from coralline_core.corrections import FOLDER, Correction, corrected, record
from coralline_core.dataset import Dataset
from coralline_core.store import open_store
from faulty_proxy import PASSING
from PIL import Image

THREADS = 8


@pytest.fixture
def address(faulty):
    address, proxy = faulty
    proxy.one_in_five()
    yield address
    assert proxy.befallen


@pytest.fixture
def store(address):
    return open_store(address)


def in_threads(work):
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def test_every_verb_keeps_its_word(store, faulty):
    data = os.urandom(2 << 20)

    def work(number):
        for key in (f"{number}/{attempt}" for attempt in range(4)):
            assert store.get(key) is None
            assert store.stat(key) is None
            assert store.put_if(key, b"first", None)
            assert not store.put_if(key, b"second", None)
            first = store.get(key)
            assert first.data == b"first"
            assert store.put_if(key, data, first.etag)
            assert not store.put_if(key, b"third", first.etag)
            with store.open(key) as file:
                file.seek(1 << 20)
                assert file.read() == data[1 << 20 :]
            assert store.stat(key).bytes == len(data)
            store.put(key, b"fourth")
            assert store.get(key).data == b"fourth"
            assert list(store.list(key)) == [key]
            store.delete(key)
            assert store.get(key) is None

    in_threads(work)
    assert list(store.list("")) == []
    assert set(faulty[1].befallen) == set(PASSING)


def test_a_file_in_many_parts_arrives_whole(store, tmp_path):
    data = os.urandom(50 << 20)
    (tmp_path / "source").write_bytes(data)
    store.put("big", tmp_path / "source")
    assert store.get("big").data == data
    with store.open("big") as file:
        assert b"".join(iter(lambda: file.read(7 << 20), b"")) == data


def test_of_racing_writers_one_wins_and_knows_it(store):
    for attempt in range(6):
        key = f"champion {attempt}"
        won = in_threads(lambda number, key=key: store.put_if(key, b"%d" % number, None))
        assert won.count(True) == 1
        assert store.get(key).data == b"%d" % won.index(True)


def test_no_replacement_is_lost(store):
    store.put("names", b"[]")

    def add(number):
        for attempt in range(3):
            while True:
                names, etag = store.get("names")
                longer = [*json.loads(names), f"{number}/{attempt}"]
                if store.put_if("names", json.dumps(longer).encode(), etag):
                    break

    in_threads(add)
    names = json.loads(store.get("names").data)
    assert set(names) == {
        f"{number}/{attempt}" for number in range(THREADS) for attempt in range(3)
    }


def test_no_correction_is_lost(store, address):
    def correct(number):
        for attempt in range(5):
            images = (f"{number}/{attempt}",)
            record(store, Correction(images=images, label=str(number), at="2026-01-01T00:00:00Z"))

    in_threads(correct)
    assert len(list(store.list(FOLDER))) == 5 * THREADS
    labels = {
        f"{number}/{attempt}": str(number) for number in range(THREADS) for attempt in range(5)
    }
    assert corrected(store) == labels


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for label, first in (("cat", 0), ("dog", 20)):
        (folder / label).mkdir()
        for number in range(first, first + 20):
            pixels = np.random.default_rng(number).integers(0, 256, (96, 96, 3), np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def curated(pictures, tmp_path_factory):
    """What a crawl and a curation of the pictures come to on a good network."""
    folder = tmp_path_factory.mktemp("good")
    return crawl_and_curate(str(folder / "store"), pictures, folder / "work")


def test_a_crawl_and_a_curation_come_out_as_on_a_good_network(address, pictures, curated, tmp_path):
    assert len(curated) == 40
    assert crawl_and_curate(address, pictures, tmp_path / "work") == curated


def crawl_and_curate(address, pictures, folder):
    folder.mkdir()
    labels = {label: {"queries": [label]} for label in ("cat", "dog")}
    source = {"type": "directory", "path": str(pictures)}
    settings = {"labels": labels, "sources": [source], "min_per_label": 1}
    step("crawler", address, folder, settings, "images", "report")
    step("curator", address, folder, {}, "images", "curated", "report")
    rows = Dataset.read(folder / "curated").table(open_store(address), ["sha256", "label", "split"])
    return sorted(rows.to_pylist(), key=lambda row: row["sha256"])


def step(name, address, folder, settings, *paths):
    (folder / name).write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", f"coralline_{name}", "--store", address]
    command += ["--settings", folder / name]
    for path in paths:
        command += [f"--{path}", folder / path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
