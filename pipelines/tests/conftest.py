"""What the tests share: project files, the command as a person starts it, datasets of photos."""

import hashlib
import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from coralline_core import rows, selection
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
from PIL import Image


@pytest.fixture
def project_file(tmp_path):
    """Writes a project file with a name and two labels, and with more below them."""

    def write(more="", name="p", labels="a: {queries: [x]}\n  b: {queries: [y]}"):
        path = tmp_path / "p.yaml"
        path.write_text(f"name: {name}\nlabels:\n  {labels}\n{more}")
        return path

    return write


@pytest.fixture
def coralline(tmp_path):
    """Starts the command in tmp_path; what a failed test leaves running is ended."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [Path(sys.executable).with_name("coralline"), *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def finish(coralline):
    """Runs the command to its end: its exit code, what it printed, and the lines of its errors."""

    def finish(*arguments):
        process = coralline(*arguments)
        printed, errors = process.communicate(timeout=120)
        return process.returncode, printed, errors.splitlines()

    return finish


class Album:
    """Photos, and datasets of them in a store, each of which shares with the ones before."""

    def __init__(self, store):
        self.store = store
        self.selected = {}
        self.shards = {}
        self.shard_of = {}

    def photo(self, number, label="cat", split="train", group=None, **more):
        """A row: a JPEG of 80 x 60 px, and where it is from."""
        pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).resize((80, 60), Image.Resampling.NEAREST).save(file, "JPEG")
        sha256 = hashlib.sha256(file.getvalue()).hexdigest()
        return {
            "image": {"bytes": file.getvalue(), "path": f"{sha256}.jpg"},
            "sha256": sha256,
            "phash": number,
            "width": 80,
            "height": 60,
            "label": label,
            "query": f"a {label}",
            "source": "openverse",
            "page_url": f"https://example.org/page/{number}",
            "image_url": f"https://example.org/{number}.jpg",
            "creator": f"Somebody, the {number}th",
            "licence": "by 4.0",
            "fetched_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "group": group,
            "split": split,
            **more,
        }

    def images(self, photos, before=None):
        """A dataset of kind `images`: photos that are there twice are in several groups."""
        return self._save(photos, before, "images", ("image_url", "page_url"))

    def curated(self, photos, before=None):
        return self._save(photos, before, "curated", ("split",))

    def crops(self, curated, **settings):
        """What the cropper makes of a curated dataset."""
        options = {"mode": "whole", "size": 32, **settings}
        dataset, _ = crop(CropSettings(**options), curated, self.store, Progress.silent())
        dataset.save(self.store)
        return dataset

    def _save(self, photos, before, kind, more):
        self._write(photos)
        names = ("sha256", "label", "group", *more)
        selected = [
            {name: photo[name] for name in names} | {"shard": self.shard_of[photo["sha256"]]}
            for photo in photos
        ]
        there = self.selected.get(before.id, []) if before else []
        segments = selection.revise(
            self.store,
            before.selection if before else (),
            self._table(row for row in selected if row not in there),
            self._table(row for row in there if row not in selected),
        )
        counts = {}
        for label, _, split in {(p["label"], p["sha256"], p["split"]) for p in photos}:
            by = counts.setdefault(label, {})
            name = split if kind == "curated" else ""
            by[name] = by.get(name, 0) + 1
        dataset = Dataset(
            kind=kind, shards=tuple(self.shards.values()), selection=segments, counts=counts
        )
        dataset.save(self.store)
        self.selected[dataset.id] = selected
        return dataset

    def _write(self, photos):
        """Put photos that are new into a shard of their own."""
        with ShardWriter(self.store, rows.IMAGES) as writer:
            for photo in {photo["sha256"]: photo for photo in photos}.values():
                if photo["sha256"] not in self.shard_of:
                    writer.add(photo | {"split": None})
                    self.shard_of[photo["sha256"]] = None
        for shard in writer.shards:
            self.shards[shard.key] = shard
            self.shard_of = {sha: key or shard.key for sha, key in self.shard_of.items()}

    @staticmethod
    def _table(selected):
        return pa.Table.from_pylist(list(selected), rows.SELECTION)


@pytest.fixture
def album(tmp_path):
    return Album(FileStore(tmp_path / "store"))


@pytest.fixture(scope="session")
def make_album():
    return Album
