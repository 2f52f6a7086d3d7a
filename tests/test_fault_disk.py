"""A disk that is full, and stores that may be read only."""

import os
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import yaml
from coralline_core.errors import CorallineError
from coralline_core.store import open_store
from faulty_proxy import Fault
from PIL import Image

GOOD = {"name": "cats", "labels": {"cat": {"queries": ["cat"]}, "dog": {"queries": ["dog"]}}}


@contextmanager
def mounted(folder):
    """A disk of 3 MB; yields what mounts it anew with other options."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    done = subprocess.run([*mount, "size=3m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield lambda options: subprocess.run([*mount, f"remount,{options}", folder], check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk") as remount:
        yield tmp_path / "disk", remount


@pytest.fixture
def crawl(tmp_path):
    """Runs the crawler as a command on 4 MB of pictures."""
    for number in range(40):
        folder = tmp_path / "pictures" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (200, 200, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    source = {"type": "directory", "path": str(tmp_path / "pictures")}
    settings = {"labels": GOOD["labels"], "sources": [source], "min_per_label": 1}
    (tmp_path / "crawl.yaml").write_text(yaml.safe_dump(settings))

    def crawl(store, **environment):
        command = [sys.executable, "-m", "coralline_crawler", "--store", store]
        command += ["--settings", tmp_path / "crawl.yaml"]
        command += ["--images", tmp_path / "images.json", "--report", tmp_path / "report.json"]
        return subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, check=False
        )

    return crawl


def one_line(done):
    assert done.returncode == 2, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("crawl "))
    return line


def test_a_write_to_a_full_disk_is_said_and_changes_nothing(disk, tmp_path):
    folder, _ = disk
    store = open_store(str(folder / "store"))
    (tmp_path / "source").write_bytes(bytes(4 << 20))
    store.put("k", b"old")
    etag = store.get("k").etag
    for write in (
        lambda: store.put("k", bytes(4 << 20)),
        lambda: store.put("k", tmp_path / "source"),
        lambda: store.put_if("k", bytes(4 << 20), etag),
        lambda: store.put_if("other", bytes(4 << 20), None),
    ):
        with pytest.raises(CorallineError, match=r"No space left on device\. Free some space"):
            write()
    assert list(store.list("")) == ["k"]
    assert store.get("k").data == b"old"
    assert store.put_if("k", bytes(2 << 20), etag), "what was half written takes no space"


@pytest.mark.parametrize("full", ["store", "TMPDIR"])
def test_a_crawl_onto_a_full_disk_ends_in_a_line_and_goes_on_once_there_is_space(
    disk, crawl, tmp_path, full
):
    folder, remount = disk
    place = folder / "store" if full == "store" else tmp_path / "store"
    environment = {} if full == "store" else {"TMPDIR": str(folder)}
    store = open_store(str(place))
    line = one_line(crawl(place, **environment))
    assert "No space left on device" in line
    assert "Free some space" in line
    assert not any(key.startswith(("shards/", "datasets/")) for key in store.list(""))
    assert not (tmp_path / "images.json").exists()
    remount("size=50m")
    done = crawl(place, **environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "images.json").exists()


def test_a_folder_that_may_be_read_only_is_said_at_the_start(disk, crawl, workplace):
    folder, remount = disk
    open_store(str(folder / "store")).put("k", b"1")
    remount("ro")
    uri = (folder / "store").as_uri()
    said = f"{uri}: the store cannot be written: Read-only file system. "
    assert one_line(crawl(folder / "store")).startswith(said)
    place = workplace({**GOOD, "store": uri})
    for command in ("run", "check"):
        line = one_line(place.command(command, "project.yaml"))
        assert line.startswith("project.yaml:")
        assert said in line
    assert not place.latest.exists()
    assert open_store(uri).get("k").data == b"1", "it can be read as ever"


def test_a_bucket_that_may_be_read_only_is_said_at_the_start(faulty, crawl, workplace):
    address, proxy = faulty
    open_store(address).put("k", b"1")
    proxy.fault = lambda method, _: None if method in ("GET", "HEAD") else Fault.FORBIDDEN
    assert "the store cannot be written: " in one_line(crawl(address))
    place = workplace({**GOOD, "store": address})
    for command in ("run", "check"):
        line = one_line(place.command(command, "project.yaml"))
        assert line.startswith("project.yaml:")
        assert "the store cannot be written: " in line
        assert "permissions" in line
    assert not place.latest.exists()
    assert open_store(address).get("k").data == b"1"
