"""Steps on real photos in their images: no network, and nothing to write to but one folder."""

import json

import pytest
from coralline_core.dataset import Dataset
from coralline_core.store import open_store
from coralline_demo.faces import GLASSES, jpeg, photo

pytestmark = pytest.mark.docker

PHOTOS = 6  # a label
MODULES = {"crawl": "crawler", "curate": "curator", "crop": "cropper"}


@pytest.fixture
def folder(tmp_path):
    """A folder with photos in it that a container's user may write to, whoever runs the test."""
    for label, indices in (("glasses", GLASSES), ("none", {*range(400)} - GLASSES)):
        photos = tmp_path / "photos" / label
        photos.mkdir(parents=True)
        for index in sorted(indices)[: PHOTOS * 10 : 10]:
            (photos / f"{index}.jpg").write_bytes(jpeg(photo(index)))
    tmp_path.chmod(0o777)
    return tmp_path


def test_photos_become_crops_in_three_containers(run, folder):
    def step(name, settings, **paths):
        (folder / f"{name}.json").write_text(json.dumps(settings))
        arguments = [f"--{key}=/work/{value}" for key, value in paths.items()]
        done = run(
            MODULES[name],
            *("python", "-m", f"coralline_{MODULES[name]}"),
            *(f"--settings=/work/{name}.json", "--store=/work/store", *arguments),
            options=[f"--volume={folder}:/work", "--tmpfs=/tmp"],
        )
        assert done.returncode == 0, done.stderr

    labels = {label: {"queries": [label]} for label in ("glasses", "none")}
    sources = [{"type": "directory", "path": "/work/photos"}]
    crawl = {"labels": labels, "sources": sources, "min_per_label": PHOTOS}
    step("crawl", crawl, images="images.json", report="crawled.json")
    step("curate", {}, images="images.json", curated="curated.json", report="curated-report.json")
    step("crop", {"size": 96}, curated="curated.json", crops="crops.json", report="cropped.json")
    assert len(Dataset.read(folder / "crops.json")) == 2 * PHOTOS
    assert [*open_store(str(folder / "store")).list("shards/")]
