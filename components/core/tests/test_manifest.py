"""What a manifest says, and what its id depends on."""

import hashlib
from datetime import UTC, datetime

import pytest
from coralline_core.dataset import Dataset, Shard
from coralline_core.errors import CorallineError
from hypothesis import given
from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
digest = st.binary(min_size=1, max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())
shard = st.builds(
    lambda sha256, count, size: Shard(
        key=f"shards/{sha256}.parquet", rows=count, bytes=size, sha256=sha256
    ),
    digest,
    st.integers(0, 10**6),
    st.integers(0, 1 << 32),
)
value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
manifest = st.builds(
    Dataset,
    kind=st.sampled_from(["images", "curated", "crops"]),
    shards=st.lists(shard, max_size=4, unique_by=lambda shard: shard.key).map(tuple),
    selection=st.lists(shard, max_size=3, unique_by=lambda shard: shard.key).map(tuple),
    counts=st.dictionaries(
        text, st.dictionaries(text, st.integers(0, 100), max_size=3), max_size=3
    ),
    parents=st.lists(digest, max_size=2).map(tuple),
    settings=st.dictionaries(text, value, max_size=3),
)


@given(manifest)
def test_a_manifest_round_trips(tmp_path_factory, dataset):
    path = tmp_path_factory.getbasetemp() / "manifest" / "dataset.json"
    dataset.write(path)
    read = Dataset.read(path)
    assert read == dataset
    assert read.id == dataset.id
    assert len(read.id) == 16


@given(manifest, st.randoms())
def test_the_order_of_shards_does_not_change_the_id(dataset, random):
    shards, selection = list(dataset.shards), list(dataset.selection)
    random.shuffle(shards)
    random.shuffle(selection)
    other = {"shards": tuple(shards), "selection": tuple(selection)}
    assert dataset.model_copy(update=other).id == dataset.id


@given(manifest, manifest)
def test_other_content_has_another_id(one, other):
    def content(dataset):
        parts = {"shards": dataset.shards, "selection": dataset.selection}
        return dataset.model_copy(
            update={
                name: tuple(sorted(shards, key=lambda shard: shard.key))
                for name, shards in parts.items()
            }
        ).model_dump_json()

    if content(one) != content(other):
        assert one.id != other.id


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "crops"},
        {"selection": (Shard(key="shards/s.parquet", rows=1, bytes=1, sha256="s"),)},
        {"counts": {"cat": {"": 2}}},
        {"parents": ("other",)},
        {"settings": {"size": 65}},
        {"shards": ()},
    ],
)
def test_every_field_is_in_the_id(change):
    dataset = Dataset(
        kind="images",
        shards=(Shard(key="shards/a.parquet", rows=1, bytes=1, sha256="a"),),
        counts={"cat": {"": 1}},
        parents=("one",),
        settings={"size": 64},
    )
    assert dataset.model_copy(update=change).id != dataset.id


@given(manifest, st.datetimes(timezones=st.just(UTC)))
def test_when_it_was_saved_is_not_a_part_of_the_id(dataset, at):
    saved = dataset.model_copy(update={"saved_at": at})
    assert saved.id == dataset.id
    assert Dataset.model_validate_json(saved.model_dump_json()) == saved


def test_two_that_were_saved_in_one_second_are_told_apart_where_the_store_shows_no_less():
    modified = datetime(2026, 1, 1, tzinfo=UTC)
    saved = Dataset(kind="images", shards=(), counts={}, saved_at=modified.replace(microsecond=9))
    assert saved.written(modified) == saved.saved_at


def test_a_copy_is_as_old_as_it_says_and_a_clock_that_is_ahead_makes_nothing_newer():
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    dataset = Dataset(kind="images", shards=(), counts={})
    assert dataset.written(late) == late
    saved = dataset.model_copy(update={"saved_at": early})
    assert saved.written(late) == early
    assert dataset.model_copy(update={"saved_at": late}).written(early) == early


@pytest.mark.parametrize("content", ["", "{}", "[1]", "PAR1", '{"schema_version": 3}'])
def test_what_is_no_manifest_is_an_error(tmp_path, content):
    path = tmp_path / "images.json"
    path.write_text(content)
    with pytest.raises(CorallineError, match=r"Invalid JSON|required|object|be 2") as caught:
        Dataset.read(path)
    assert caught.value.where == str(path)


def test_a_missing_manifest_is_an_error(tmp_path):
    with pytest.raises(CorallineError, match=r"none\.json: No such file"):
        Dataset.read(tmp_path / "none.json")
