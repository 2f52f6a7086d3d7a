"""Datasets listed, compared, exported and imported: the same from a folder as from a bucket."""

import io
import json

import numpy as np
import pytest
from coralline.datasets import find, listing
from coralline.diff import diff
from coralline.export import export
from coralline.imports import import_into
from coralline.project import load_project
from coralline_core.progress import Progress
from coralline_core.store import open_store
from coralline_crawler.crawl import crawl
from coralline_crawler.settings import CrawlSettings
from coralline_curator.curate import curate
from PIL import Image

SILENT = Progress.silent()


@pytest.fixture
def both(any_address, tmp_path, make_album):
    """The same photos, curated twice and cropped, in a folder and in a store of any kind."""

    def fill(address):
        album = make_album(open_store(address))
        splits = ("train", "validation", "test")
        photos = [album.photo(n, ("cat", "dog")[n % 2], splits[n // 2 % 3]) for n in range(14)]
        before = album.curated(photos[:8])
        after = album.curated([*photos[1:], photos[0] | {"split": "test"}], before)
        return album, before, after, album.crops(after)

    return fill((tmp_path / "plain").as_uri()), fill(any_address)


def tree(place):
    if place.is_file():
        return place.read_bytes()
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def test_an_export_has_the_same_bytes_from_every_store(both, tmp_path):
    for to in ("folder", "hf", "coco", "csv"):
        for kind in (2, 3):
            made = []
            for at, case in enumerate(both):
                out = tmp_path / f"{to}-{kind}-{at}"
                export(case[0].store, case[kind], to, out, SILENT)
                made.append(tree(out))
            assert made[0] == made[1]


def test_a_list_and_a_difference_are_the_same_from_every_store(both):
    plain, other = both
    told = [diff(album.store, before, after) for album, before, after, _ in both]
    assert told[0] == told[1]
    assert {change.how for change in told[0].changes} == {"came", "moved"}
    lists = [
        {
            entry.id: entry.model_dump(exclude={"written"})
            for entry in listing(case[0].store).datasets
        }
        for case in both
    ]
    assert lists[0] == lists[1]
    assert len(lists[0]) == 3
    assert find(other[0].store, plain[3].id[:12]).id == plain[3].id


def test_what_is_imported_is_in_the_dataset_of_every_store(
    any_address, project_file, tmp_path, finish
):
    rng = np.random.default_rng(0)
    for at in range(12):
        label, split = ("cat", "dog")[at % 2], ("train", "test")[at // 2 % 2]
        path = tmp_path / f"mine/{split}/{label}/{at}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = io.BytesIO()
        pixels = rng.integers(0, 256, (9, 12, 3), np.uint8)
        Image.fromarray(pixels).resize((120, 90)).save(file, "JPEG")
        path.write_bytes(file.getvalue())
    (tmp_path / "mine/train/cat/broken.jpg").write_bytes(b"no picture")
    labels = "cat: {queries: [x]}\n  dog: {queries: [y]}"
    file = project_file(f"store: {any_address}\ncrawl: {{sources: []}}\n", labels=labels)
    project = load_project(file)
    first, again = (import_into(project, file, tmp_path / "mine", SILENT) for _ in range(2))
    assert (first.images.kept, first.images.known) == (12, 0)
    assert (again.images.kept, again.images.known) == (0, 12)
    assert first.images.rejected == again.images.rejected == {"not-an-image": 1}
    assert first.splits == again.splits
    settings = CrawlSettings(labels=project.labels, **dict(project.crawl))
    images, _ = crawl(settings, project.open_store(), SILENT)
    images.save(project.open_store())
    curated, _ = curate(project.curate, images, project.open_store(), SILENT)
    curated.save(project.open_store())
    assert curated.counts == {label: {"train": 3, "test": 3} for label in ("cat", "dog")}
    code, printed, _ = finish("datasets", any_address, "--json")
    assert code == 0
    assert {one["id"] for one in json.loads(printed)["datasets"]} == {images.id, curated.id}
