"""Datasets by the beginning of their ids, and in a list."""

import json
import os

import pytest
from coralline.datasets import find, listing, parents
from coralline_core.errors import CorallineError
from coralline_publisher.champion import Champion


@pytest.fixture
def photos(album):
    splits = ("train", "train", "validation", "test")
    return [
        album.photo(4 * n + at, label, split)
        for n, label in enumerate(("cat", "dog"))
        for at, split in enumerate(splits)
    ]


@pytest.fixture
def three(album, photos):
    """Images, what was curated of them, and their crops, a minute apart."""
    images = album.images(photos)
    curated = album.curated(photos)
    crops = album.crops(curated)
    for minute, dataset in enumerate((images, curated, crops)):
        path = album.store.root / f"datasets/{dataset.id}.json"
        os.utime(path, (1_800_000_000 + 60 * minute,) * 2)
    return images, curated, crops


def make_champion(store, dataset):
    champion = Champion(
        version="v",
        published_at="2026-01-01T00:00:00Z",
        name="p",
        dataset=dataset.id,
        labels=dataset.labels,
        accuracy=1,
        n=1,
        previous=None,
    )
    assert champion.replace(store, None)


def test_the_list_has_the_newest_first_with_counts_sizes_and_parents(album, three):
    images, curated, crops = three
    make_champion(album.store, crops)
    found = listing(album.store)
    assert found.unreadable == {}
    assert [entry.id for entry in found.datasets] == [crops.id, curated.id, images.id]
    newest = found.datasets[0]
    assert newest.counts["cat"] == {"train": 2, "validation": 1, "test": 1}
    assert newest.parents == (curated.id,)
    assert newest.rows == 8
    stored = (*crops.shards, *crops.selection)
    assert newest.bytes == sum((album.store.root / one.key).stat().st_size for one in stored)
    assert f"{newest.written:%H:%M:%S}" == "08:02:00"
    assert [entry.champion for entry in found.datasets] == [True, False, False]


def test_of_the_newest_no_other_manifest_is_read(album, three, monkeypatch):
    read = []
    get = album.store.get
    monkeypatch.setattr(album.store, "get", lambda key: read.append(key) or get(key))
    (entry,) = listing(album.store, last=1).datasets
    assert entry.id == three[2].id
    assert sorted(read) == ["champion.json", f"datasets/{entry.id}.json"]


def test_a_dataset_is_found_by_the_beginning_of_its_id(album, three):
    for dataset in three:
        assert find(album.store, dataset.id) == dataset
        others = [one.id for one in three if one != dataset]
        short = next(
            dataset.id[:n] for n in range(1, 17) if not any(o[:n] == dataset.id[:n] for o in others)
        )
        assert find(album.store, short) == dataset
    assert parents(album.store, three[2]) == [three[1]]
    album.store.delete(f"datasets/{three[1].id}.json")
    assert parents(album.store, three[2]) == []


@pytest.mark.parametrize(
    ("prefix", "what"), [("", "3 datasets begin with ''"), ("x", "no dataset begins with 'x'")]
)
def test_what_begins_no_id_or_several_is_an_error(album, three, prefix, what):
    with pytest.raises(CorallineError, match=what):
        find(album.store, prefix)


def test_the_command_prints_a_table_and_json(album, three, finish):
    make_champion(album.store, three[2])
    code, printed, errors = finish("datasets", album.store.root)
    assert (code, errors) == (0, [])
    header, first, second, *_ = printed.splitlines()
    assert header.split() == [
        *("dataset", "kind", "written", "(UTC)", "rows", "train/validation/test", "size", "from")
    ]
    assert first.split()[:7] == [
        *(three[2].id[:8], "crops", "2027-01-15", "08:02", "8", "cat", "2/1/1")
    ]
    assert first.split()[-2:] == [three[1].id[:8], "champion"]
    assert second.split() == ["dog", "2/1/1"]
    code, printed, _ = finish("datasets", album.store.uri, "--json", "--last", 1)
    assert code == 0
    assert [one["id"] for one in json.loads(printed)["datasets"]] == [three[2].id]


def test_a_manifest_that_cannot_be_read_is_named_below_the_others(album, three, finish):
    album.store.put("datasets/0000000000000000.json", b'{"schema_version": 1}')
    code, printed, errors = finish("datasets", album.store.root)
    assert code == 2
    assert three[0].id[:8] in printed
    (error,) = errors
    assert error.startswith("datasets/0000000000000000.json: no manifest that this version reads")


def test_a_project_names_its_store(project_file, album, three, finish):
    project_file(f"store: {album.store.root}\n")
    assert finish("datasets", "p.yaml")[1] == finish("datasets", album.store.root)[1]


def test_a_store_without_datasets_says_so(tmp_path, finish):
    (tmp_path / "empty").mkdir()
    assert finish("datasets", "empty") == (
        0,
        f"no datasets in {(tmp_path / 'empty').as_uri()}\n",
        [],
    )
