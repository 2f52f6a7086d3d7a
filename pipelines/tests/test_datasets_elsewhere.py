"""Shards as other tools read them: what docs/datasets.md shows is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

DOCS = Path(__file__).parents[2] / "docs" / "datasets.md"
CURATED, CROPS = "7060019fe144d9d4", "10006321853805b9"


@pytest.fixture
def datasets(album):
    """Curated photos and their crops; one photo is in two shards, one is not selected."""
    splits = ("train", "train", "validation", "test")
    photos = [
        album.photo(n, ("cat", "dog")[n % 2], splits[n // 2 % 4], licence=("by 4.0", None)[n // 8])
        for n in range(16)
    ]
    album.images([*photos, album.photo(99)])
    before = album.curated(photos[:-1])
    album.shard_of.pop(photos[6]["sha256"])  # so that it is written once more
    curated = album.curated(photos, before)
    return curated, album.crops(curated)


@pytest.fixture
def shown(datasets):
    """The examples in a language, about the datasets at hand."""
    text = DOCS.read_text(encoding="utf-8")
    for name, dataset in zip((CURATED, CROPS), datasets, strict=True):
        text = text.replace(name, dataset.id)
    return lambda language: re.findall(
        rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )


def counted(dataset):
    return {
        (label, split): count
        for label, by_split in dataset.counts.items()
        for split, count in by_split.items()
    }


def test_the_queries_for_duckdb_give_the_manifests_counts(shown, datasets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    curated, crops = datasets
    assert sum(shard.rows for shard in curated.shards) == 18
    of_curated, of_crops = (duckdb.connect().execute(query).fetchall() for query in shown("sql"))
    found = {}
    for label, split, licence, count in of_curated:
        assert licence in ("by 4.0", None)
        found[label, split] = found.get((label, split), 0) + count
    assert found == counted(curated)
    assert {(label, split): count for label, split, count in of_crops} == counted(crops)


def test_the_example_for_hugging_face_loads_the_test_split_s_pictures(shown, tmp_path):
    (example,) = shown("python")
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 (80, 60)\n"
