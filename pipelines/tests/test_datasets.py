"""Datasets by the beginning of their ids, and in a list."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from coralline.datasets import find, listing, parents
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.manifests import newest, newest_first
from coralline_core.store import FileStore
from coralline_publisher.champion import Champion
from hypothesis import given, settings
from hypothesis import strategies as st


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
        dataset.save(album.store, at=datetime(2026, 1, 15, 8, minute, tzinfo=UTC))
    return images, curated, crops


def ids(entries):
    return [entry.id for entry in entries]


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


def test_in_a_copy_of_a_store_without_its_times_the_newest_is_the_same(album, three):
    before = listing(album.store).datasets
    for seconds, dataset in enumerate(reversed(three)):
        path = album.store.root / f"datasets/{dataset.id}.json"
        os.utime(path, (1_780_000_000 + seconds,) * 2)
    assert listing(album.store).datasets == before
    assert newest(album.store, "curated").id == three[1].id


def test_of_the_newest_few_other_manifests_are_read(album, monkeypatch):
    empty = [Dataset(kind="images", shards=(), counts={str(n): {}}) for n in range(100)]
    for minute, dataset in enumerate(empty):
        dataset.save(album.store)
        time = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + 60 * minute
        os.utime(album.store.root / f"datasets/{dataset.id}.json", (time, time))
    read = []
    get = album.store.get
    monkeypatch.setattr(album.store, "get", lambda key: read.append(key) or get(key))
    assert ids(listing(album.store, last=1).datasets) == [empty[-1].id]
    assert len(read) < 20


times = st.integers(0, 9).map(lambda day: datetime(2026, 1, 1 + day, tzinfo=UTC))


@settings(deadline=None)
@given(st.lists(st.tuples(st.none() | times, times), max_size=12))
def test_whatever_the_times_of_manifests_and_objects_the_newest_comes_first(found):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("coralline_core.manifests._READERS", 3)
        store = FileStore(Path(folder))
        for number, (saved_at, modified) in enumerate(found):
            dataset = Dataset(kind="images", shards=(), counts={str(number): {}})
            said = dataset.model_copy(update={"saved_at": saved_at})
            key = f"datasets/{dataset.id}.json"
            store.put(key, said.model_dump_json().encode())
            os.utime(store.root / key, (modified.timestamp(),) * 2)
        order = [manifest.written for manifest in newest_first(store)]
        expected = [min(saved_at or modified, modified) for saved_at, modified in found]
        assert order == sorted(expected, reverse=True)


def test_the_newest_is_not_taken_for_another_where_it_cannot_be_read(album, three):
    key = f"datasets/{three[2].id}.json"
    album.store.put(key, b"{")
    with pytest.raises(CorallineError, match=r"no manifest.*coralline verify --repair") as caught:
        newest(album.store, "images")
    assert caught.value.where == key


def test_a_dataset_is_found_by_the_beginning_of_its_id(album, three):
    for dataset in three:
        assert find(album.store, dataset.id).id == dataset.id
        others = [one.id for one in three if one != dataset]
        short = next(
            dataset.id[:n] for n in range(1, 17) if not any(o[:n] == dataset.id[:n] for o in others)
        )
        assert find(album.store, short).id == dataset.id
    assert ids(parents(album.store, three[2])) == [three[1].id]
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
        *(three[2].id[:8], "crops", "2026-01-15", "08:02", "8", "cat", "2/1/1")
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


def test_what_is_neither_a_project_file_nor_a_store_is_said(tmp_path, finish):
    code, _, errors = finish("datasets", tmp_path / "none")
    assert code == 2
    assert errors[-1].startswith(f"{tmp_path / 'none'}: no project file and no store is there.")


def test_a_store_without_datasets_says_so(tmp_path, finish):
    (tmp_path / "empty").mkdir()
    assert finish("datasets", "empty") == (
        0,
        f"no datasets in {(tmp_path / 'empty').as_uri()}\n",
        [],
    )
