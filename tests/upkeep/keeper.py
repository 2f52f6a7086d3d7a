"""A project whose store is filled as runs fill it, and what befalls a store."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import yaml
from coralline.upkeep.gc import delete_garbage, find_garbage
from coralline.upkeep.repair import repair
from coralline.upkeep.verify import verify
from coralline_core import rows
from coralline_core.dataset import ShardWriter
from coralline_core.forgotten import Notice
from coralline_core.progress import Progress
from coralline_core.store import FileStore, open_store
from coralline_crawler.crawl import crawl
from coralline_crawler.settings import CrawlSettings
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
from coralline_curator.curate import curate
from coralline_curator.settings import CurateSettings
from coralline_publisher.champion import Champion, upload
from coralline_publisher.folder import seal
from PIL import Image

LABELS = {"cat": {"queries": ["a cat"]}, "dog": {"queries": ["a dog"]}}
SILENT = Progress.silent()


def picture(seed, side=96):
    """Clouds of colour with some grain: as photos, and other ones for every seed."""
    rng = np.random.default_rng(seed)
    height = side * 3 // 4
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    clouds = np.asarray(small.resize((side, height), Image.Resampling.BICUBIC), np.int16)
    grain = rng.normal(0, 8, (height, side, 1))
    return Image.fromarray(np.clip(clouds + grain, 0, 255).astype(np.uint8))


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


class Keeper:
    """A project with its store, and the site that its photos are on."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address
        self.store = open_store(address)
        self.site = folder / "site"
        self.site.mkdir()
        self.asked = []
        self.lines = []
        self.settings = CrawlSettings(
            labels=LABELS,
            sources=({"type": "urls", "path": folder / "urls.csv"},),
            allow_private_addresses=True,
            retries=0,
        )
        keeper = self

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, code="-", size="-"):
                keeper.asked.append(self.path)

            def log_error(self, *_):
                pass

        handler = partial(Handler, directory=str(self.site))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{name}"

    def publish(self, label, *seeds, page=None):
        """Put photos onto the site and onto the project's list, on a page of their own or `page`.

        Returns their sha256.
        """
        return [
            self.publish_bytes(label, f"{seed}.jpg", encoded(picture(seed)), page=page)
            for seed in seeds
        ]

    def publish_bytes(self, label, name, data, page=None):
        (self.site / name).write_bytes(data)
        self.list([*self.lines, (label, self.url(name), page or self.url(f"page-of-{name}"))])
        return hashlib.sha256(data).hexdigest()

    def list(self, lines):
        """What the project's list says from now on: labels, URLs and pages."""
        self.lines = lines
        with (self.folder / "urls.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("label", "url", "page_url"), *lines])

    def crawl(self):
        """Crawl, and keep the manifest."""
        images, _ = crawl(self.settings, self.store, SILENT)
        images.save(self.store)
        return images

    def run(self):
        """Crawl, curate and crop; the manifests of all three."""
        images = self.crawl()
        curated, _ = curate(CurateSettings(), images, self.store, SILENT)
        curated.save(self.store)
        crops, _ = crop(CropSettings(mode="whole", size=32), curated, self.store, SILENT)
        crops.save(self.store)
        return images, curated, crops

    def fill(self):
        """Publish five photos of cats and five of dogs, and run; the manifests."""
        self.publish("cat", *range(5))
        self.publish("dog", *range(5, 10))
        return self.run()

    def shas(self, dataset):
        """The sha256 of the photos of a dataset, each as often as it is there, in order."""
        column = "source_sha256" if dataset.kind == "crops" else "sha256"
        return sorted(row[column] for row in dataset.iter_rows(self.store, [column]))

    def photo(self, seed):
        """The bytes of a photo on the site."""
        return (self.site / f"{seed}.jpg").read_bytes()

    def shas_published(self):
        """The sha256 of all photos on the list, in order."""
        names = {url.rpartition("/")[2] for _, url, _ in self.lines}
        return sorted(self.sha_of(self.site / name) for name in names)

    def sha_of(self, path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def publish_model(self, dataset, version="one", champion=True):
        """A version of a model that was trained on a dataset; its name."""
        folder = self.folder / version
        folder.mkdir()
        (folder / "model_int8.tflite").write_bytes(version.encode() * 1000)
        spec = {
            "labels": ["cat", "dog"],
            "input_shape": [32, 32, 3],
            "architecture": "small",
            "crop": {},
            "dataset": dataset.id,
        }
        (folder / "model.json").write_text(json.dumps(spec))
        name = seal(folder)
        upload(self.store, folder, name, SILENT)
        if champion:
            before, etag = Champion.load(self.store)
            now = Champion(
                version=name,
                published_at="2026-01-01T00:00:00Z",
                name="p",
                dataset=dataset.id,
                labels=("cat", "dog"),
                accuracy=0.9,
                n=10,
                previous=before and before.version,
            )
            assert now.replace(self.store, etag)
        return name

    def snapshot(self, *without):
        """All objects, but for those under some folders."""
        return {
            key: self.store.get(key).data
            for key in self.store.list("")
            if not key.startswith(without or ("?",))
        }

    def corrupt(self, key, change):
        """Put something else in an object's place, as a disk would."""
        self.store.put(key, change(self.store.get(key).data))

    def command(self, *arguments):
        """The command as a person types it: exit code, what it printed, and its errors."""
        project = self.folder / "p.yaml"
        if not project.exists():
            source = {"type": "urls", "path": "urls.csv"}
            settings = {"sources": [source], "allow_private_addresses": True, "retries": 0}
            uri, _, options = self.address.partition("?")
            store = {"uri": uri, **dict(one.split("=", 1) for one in options.split("&") if one)}
            whole = {"name": "p", "store": store, "labels": LABELS, "crawl": settings}
            project.write_text(yaml.safe_dump(whole))
        done = subprocess.run(
            [Path(sys.executable).with_name("coralline"), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    def collect(self, before=None, **options):
        """Delete the garbage: the report, and the keys that have gone."""
        there = set(self.store.list(""))
        found = find_garbage(self.store, before or later(), SILENT, **options)
        report = delete_garbage(self.store, found, SILENT)
        return report, there - set(self.store.list(""))

    def mend(self, store=None):
        """What `verify --repair` did: the damages by key."""
        store = store or self.store
        report = repair(store, verify(store, SILENT), SILENT)
        return {damage.key: damage for damage in report.damages}

    def assert_well(self):
        assert verify(self.store, SILENT).report.damages == ()


def later():
    """A time before which everything that is there now was written."""
    return datetime.now(UTC) + timedelta(hours=1)


def cut(data):
    """The first half."""
    return data[: len(data) // 2]


def flipped(data, at=None):
    """With one bit changed: in the middle, or at a place."""
    at = len(data) // 2 if at is None else at
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def in_an_image(data, photo):
    """Where a shard has the bytes of a photo."""
    middle = len(photo) // 2
    at = data.index(photo[middle : middle + 16])
    assert data.index(photo[middle + 16 : middle + 32]) == at + 16
    return at


def notice(sha256):
    """That an image is forgotten."""
    return Notice(by="sha256", value=sha256, images=(), why="", at="2026-01-01T00:00:00Z")


class KilledError(BaseException):
    """The process dies."""


class Dying(FileStore):
    """A store whose process dies before a change."""

    changes = 0
    dies_at = None

    def _counted(self, change, *arguments):
        self.changes += 1
        if self.dies_at == self.changes:
            raise KilledError
        return change(*arguments)

    def put(self, key, data):
        self._counted(super().put, key, data)

    def put_if(self, key, data, etag):
        return self._counted(super().put_if, key, data, etag)

    def delete(self, key):
        self._counted(super().delete, key)


def orphan(keeper, label="cat"):
    """A shard that nothing names, as a crawl that was killed leaves it."""
    with ShardWriter(keeper.store, rows.IMAGES) as writer:
        writer.add({"label": label, "sha256": "ab" * 32, "image": {"bytes": b"a", "path": "a"}})
    return writer.shards[0]


def versions(keeper, count):
    """Runs that each found one more photo; their manifests."""
    datasets = [keeper.fill()]
    for seed in range(10, 10 + count - 1):
        keeper.publish("cat", seed)
        datasets.append(keeper.run())
        time.sleep(0.01)
    return datasets
