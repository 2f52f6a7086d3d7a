"""The index says what the records say, and the selection what would be written anew."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from coralline_core import journal, rows, selection
from coralline_core.errors import CorallineError
from coralline_core.shards import Shard, ShardWriter
from coralline_core.store import FileStore
from coralline_crawler import index as index_module
from coralline_crawler.columns import WIDE, hash64, tabulate
from coralline_crawler.history import Entry, History
from coralline_crawler.index import open_history
from coralline_crawler.record import (
    DUPLICATE,
    FOLDER,
    GONE,
    KEPT,
    SEEN,
    UNCHANGED,
    Limits,
    Record,
    Search,
    Visit,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LIMITS = Limits(max_bytes=1, max_pixels=1, min_side=1)
TIME = datetime(2026, 11, 2, tzinfo=UTC)

outcomes = st.sampled_from([KEPT, DUPLICATE, UNCHANGED, GONE, SEEN, "timeout", "not-found"])
visits = st.builds(
    Visit,
    label=st.sampled_from(["a", "b"]),
    url=st.integers(0, 12).map(lambda number: f"http://x/{number}"),
    query=st.sampled_from(["q", "r", "é"]),
    source=st.sampled_from(["openverse", "urls"]),
    outcome=outcomes,
    rank=st.integers(0, 9),
    tries=st.integers(0, 9),
    licence=st.none() | st.sampled_from(["by", "cc0"]),
    creator=st.none() | st.just("Zoë"),
    page_url=st.none() | st.just("http://page"),
    group=st.none() | st.sampled_from(["g", "h"]),
    etag=st.none() | st.just('"1"'),
    checked_at=st.integers(0, 10**6).map(lambda seconds: TIME + timedelta(seconds=seconds)),
    sha256=st.integers(1, 9).map(lambda number: f"{number:x}" * 64),
    phash=st.integers(0, 2**64 - 1),
    width=st.integers(1, 99),
    height=st.integers(1, 99),
    sharpness=st.just(0.5),
)
searches = st.builds(
    Search,
    source=st.sampled_from(["s", "t"]),
    label=st.just("a"),
    query=st.just("q"),
    offset=st.integers(0, 99),
    exhausted=st.booleans(),
)
written = st.lists(
    st.tuples(st.lists(visits, max_size=8), st.lists(searches, max_size=2), st.booleans()),
    min_size=1,
    max_size=6,
)


def write(store, content, number):
    found, reached, replaces = content
    key = f"shards/{number}.parquet"
    if number % 5 != 4:  # the others are lost
        store.put(key, b"")
    shard = Shard(key=key, rows=1, bytes=1, sha256="0" * 64)
    record = Record(
        limits=LIMITS,
        shards=(shard,),
        replaces=(f"shards/{number - 1}.parquet",) if replaces else (),
        visits=tuple(found),
        searches=tuple(reached),
    )
    journal.append(store, FOLDER, record)


def said(history):
    """All that is known of each URL and each image, by their keys."""
    latest, holding = history.latest, history.holding
    return {
        "latest": history.read(latest),
        "has image": history.has_image(latest).tolist(),
        "holding": history.read(holding),
        "lost": history.lost,
        "shards": history.shards(history.kept),
        "seen": history.seen(history["key"][latest].tolist()),
        "limits": {history.names["limits"][code] for code in history["limits"][latest]},
    }


@settings(max_examples=60, deadline=None)
@given(written)
def test_an_index_says_what_the_records_say(tmp_path_factory, contents):
    indexed, plain = (FileStore(tmp_path_factory.mktemp("store")) for _ in range(2))
    for number, content in enumerate(contents):
        write(indexed, content, number)
        write(plain, content, number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(index_module, "_FEW", 5)
            patch.setattr(index_module, "_SHARE", 2)
            patch.setattr(index_module, "_ROW_GROUP", 3)
            by_index = open_history(indexed)
        by_records = open_history(plain)
        assert said(by_index.history) == said(by_records.history)
        assert by_index.searches == by_records.searches
        by_index.history.visits.close()
    assert list(plain.list("index/")) == []


@settings(max_examples=60, deadline=None)
@given(written, st.lists(visits, max_size=8))
def test_a_history_that_goes_on_is_what_it_would_be_made_anew(tmp_path_factory, contents, more):
    store = FileStore(tmp_path_factory.mktemp("store"))
    for number, content in enumerate(contents):
        write(store, content, number)
    before = open_history(store).history
    table = tabulate(more, len(before.entries), LIMITS.model_dump_json(), TIME)
    shard = Shard(key="shards/more.parquet", rows=1, bytes=1, sha256="0" * 64)
    entries = [*before.entries, Entry(shards=(shard,))]
    there = before.there | {shard.key}
    on, anew = (
        History(before.visits.and_then([table]), entries, there, known) for known in (before, None)
    )
    assert said(on) == said(anew)


@pytest.fixture
def three(store, monkeypatch):
    """A store with three records, of which each made an index of its own."""
    monkeypatch.setattr(index_module, "_FEW", 0)
    for number in range(3):
        visit = Visit(
            label="a", url=f"http://x/{number}", query="q", source="openverse", outcome="timeout"
        )
        write(store, ([visit], [], False), number)
        open_history(store).history.visits.close()
    return store


def urls(store):
    history = open_history(store).history
    found = history.visits.strings(history.latest, ("url",))["url"].to_pylist()
    history.visits.close()
    return sorted(found)


ALL = [f"http://x/{number}" for number in range(3)]


def test_the_last_two_are_kept_for_those_who_are_reading(three):
    assert [key.split("-")[2] for key in three.list("index/")] == ["000000002", "000000003"]


def test_an_index_is_read_in_place_of_its_records(three, monkeypatch):
    read = []
    monkeypatch.setattr(
        index_module.journal, "read", lambda _, __, keys: iter(read.append(list(keys)) or [])
    )
    assert urls(three) == ALL
    assert [keys for keys in read if keys] == []


@pytest.mark.parametrize("damage", ["empty", "half", "changed", "gone", "another"])
def test_an_index_that_is_damaged_or_gone_is_made_anew(three, damage):
    for key in list(three.list("index/")):
        data = three.get(key).data
        match damage:
            case "empty":
                three.put(key, b"")
            case "half":
                three.put(key, data[: len(data) // 2])
            case "changed":
                three.put(key, data[:100] + bytes([data[100] ^ 1]) + data[101:])
            case "gone":
                three.delete(key)
            case "another":
                sink = pa.BufferOutputStream()
                pa.parquet.write_table(pa.table({"a": [1]}), sink)
                three.put(key, sink.getvalue().to_pybytes())
    assert urls(three) == ALL


def test_a_record_that_came_late_or_was_deleted_makes_an_index_anew(three):
    first, *_ = three.list(FOLDER)
    visit = Visit(label="a", url="http://x/late", query="q", source="s", outcome="timeout")
    late = Record(limits=LIMITS, shards=(), visits=(visit,))
    three.put(first.replace(".json", "x.json"), late.model_dump_json().encode())
    assert urls(three) == ["http://x/0", "http://x/1", "http://x/2", "http://x/late"]
    three.delete(first)
    assert urls(three) == ["http://x/1", "http://x/2", "http://x/late"]


def test_an_index_that_changes_while_it_is_read_is_an_error(store, monkeypatch):
    monkeypatch.setattr(index_module, "_FEW", 0)
    chance = random.Random(1)
    about = {"label": "a", "query": "q", "source": "openverse", "outcome": "timeout"}
    found = [Visit(url=f"http://x/{chance.random()}", **about) for _ in range(5000)]
    write(store, (found, [], False), 0)
    history = open_history(store).history
    for key in store.list("index/"):
        data = store.get(key).data
        (store.root / key).write_bytes(bytes(len(data)))
    with pytest.raises(CorallineError, match="the index is not what was written") as caught:
        history.visits.strings(history.latest, WIDE.names)
    assert "Delete what is under it" in caught.value.fix
    history.visits.close()


def test_rows_are_read_in_the_order_that_is_asked_for(three):
    history = open_history(three).history
    order = np.array([2, 0, 1, 0])
    assert history.visits.strings(order, ("url",))["url"].to_pylist() == [ALL[n] for n in order]
    assert history.find([hash64("a", ALL[1]), hash64("b", ALL[1])]).tolist() == [1, -1]
    history.visits.close()


def test_records_of_before_are_completed_from_their_shards(photos, crawl, listed, store):
    """Once, visits did not say how an image looks."""
    source = listed(cat=photos(2), dog=photos(1, first=2))
    first = crawl(source)
    (key,) = store.list(FOLDER)
    record = Record.model_validate_json(store.get(key).data)
    lacking = [
        visit.model_copy(update=dict.fromkeys(("phash", "width", "height", "checked_at")))
        for visit in record.visits
    ]
    store.put(key, record.model_copy(update={"visits": tuple(lacking)}).model_dump_json().encode())
    for key in list(store.list("index/")):
        store.delete(key)
    again = crawl(source)
    assert again.report.fetched == 0
    assert again.report.again == {}
    one, other = (
        crawled.dataset.selected(store).sort_by("sha256").to_pylist() for crawled in (first, again)
    )
    assert one == other


def triples(store, dataset):
    table = dataset.selected(store)
    found = sorted(tuple(row.values()) for row in table.to_pylist() if row)
    assert len(found) == len(set(found))
    return found


def test_a_selection_that_is_revised_is_what_would_be_written_anew(
    photos, crawl, searched, store, monkeypatch
):
    monkeypatch.setattr(selection, "SEGMENT_ROWS", 4)
    monkeypatch.setattr(selection, "_FEW", 1)
    urls, chance = photos(16), random.Random(1)
    for _ in range(8):
        works = [
            {"url": url, "foreign_landing_url": f"http://x/{chance.randrange(4)}"}
            for url in chance.sample(urls, 12)
        ]
        source = searched(cat=works[:8], dog=works[8:])
        total = chance.choice([None, 3, 5])
        revised = crawl(source, max_total=total)
        store.delete("index/selection.parquet")
        anew = crawl(source, max_total=total)
        assert triples(store, revised.dataset) == triples(store, anew.dataset)
        assert revised.dataset.counts == anew.dataset.counts
        crawl(searched(cat=works[2:8], dog=works[8:10]), max_total=chance.choice([None, 2]))


def test_a_crawl_that_adds_little_shares_the_rest_of_the_selection(
    photos, crawl, listed, store, monkeypatch
):
    monkeypatch.setattr(selection, "SEGMENT_ROWS", 4)
    monkeypatch.setattr(selection, "_FEW", 1)
    cats, dogs = photos(15), photos(2, first=15)
    first = crawl(listed(cat=cats[:14], dog=dogs))
    second = crawl(listed(cat=cats, dog=dogs))
    assert [segment.rows for segment in first.dataset.selection] == [4, 4, 4, 4]
    assert second.dataset.selection[:4] == first.dataset.selection
    assert [segment.rows for segment in second.dataset.selection[4:]] == [1]


def test_a_selection_whose_segment_is_gone_is_written_whole(photos, crawl, listed, store):
    source = listed(cat=photos(2), dog=photos(1, first=2))
    first = crawl(source)
    for segment in first.dataset.selection:
        store.delete(segment.key)
    assert crawl(source).dataset.selected(store).num_rows == 3


def test_an_image_of_a_record_with_two_shards_is_found_in_the_right_one(
    photos, crawl, listed, store
):
    source = listed(cat=photos(2), dog=photos(1, first=2))
    first = crawl(source)
    (shard,) = first.dataset.shards
    parts = []
    for row in first.rows:
        with ShardWriter(store, rows.IMAGES) as writer:
            writer.add(row)
        parts += writer.shards
    (key,) = store.list(FOLDER)
    record = Record.model_validate_json(store.get(key).data)
    split = record.model_copy(update={"shards": tuple(parts), "replaces": (shard.key,)})
    journal.append(store, FOLDER, split)
    again = crawl(source)
    selected = again.dataset.selected(store).to_pylist()
    by_sha = {row["sha256"]: part.key for row, part in zip(first.rows, parts, strict=True)}
    assert {row["sha256"]: row["shard"] for row in selected} == by_sha
