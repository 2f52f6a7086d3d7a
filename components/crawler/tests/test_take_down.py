"""Images that somebody wanted gone: not fetched, not in a dataset, not in a shard of one."""

from datetime import UTC, datetime

import pytest
from coralline_core import journal
from coralline_core.forgotten import FOLDER, Notice
from coralline_core.shards import read_table
from coralline_crawler.record import Record


@pytest.fixture
def forget(store):
    def forget(by, value, *images):
        notice = Notice(by=by, value=value, images=images, why="asked to", at=datetime.now(UTC))
        journal.append(store, FOLDER, notice)

    return forget


def records(store):
    return [Record.model_validate_json(store.get(key).data) for key in store.list("crawls/")]


def in_shards(store, dataset):
    return sorted(
        sha for shard in dataset.shards for sha in read_table(store, shard)["sha256"].to_pylist()
    )


@pytest.fixture
def crawled(photos, crawl, searched):
    """Three cats on two pages, and a dog; the source, and the first crawl of it."""
    cats, dogs = photos(3), photos(1, first=3)
    pages = ("http://x/a", "http://x/a", "http://x/b")
    works = [
        {"url": url, "foreign_landing_url": page} for url, page in zip(cats, pages, strict=True)
    ]
    source = searched(cat=works, dog=dogs)
    return source, crawl(source)


def sha_of(crawled, number):
    return next(
        row["sha256"] for row in crawled.rows if row["image_url"].endswith(f"/{number}.jpg")
    )


@pytest.mark.parametrize("by", ["url", "sha256", "page"])
def test_what_is_forgotten_is_in_no_later_dataset_and_no_shard_of_one(
    site, crawl, crawled, forget, store, by
):
    source, first = crawled
    gone = [sha_of(first, 0), *([sha_of(first, 1)] if by == "page" else [])]
    value = {"url": site.url("/0.jpg"), "sha256": gone[0], "page": "http://x/a"}[by]
    forget(by, value, *gone)
    site.requests.clear()
    (old,) = first.dataset.shards
    for _ in range(2):
        later = crawl(source)
        assert {request.path for request in site.asked()} == {"/v1/images/"}
        left = sorted({row["sha256"] for row in first.rows} - set(gone))
        assert sorted(row["sha256"] for row in later.rows) == left
        assert in_shards(store, later.dataset) == left
        assert later.report.rejected == {"forgotten": len(gone)}
        assert later.warnings == []
        store.delete(old.key)  # what a cleaning-up does
    replacing = [record for record in records(store) if record.replaces]
    assert [record.replaces for record in replacing] == [(old.key,)]
    rows = {row["image_url"]: row for row in first.rows}
    for row in later.rows:
        assert row == rows[row["image_url"]]


def test_what_is_forgotten_is_not_fetched(site, photos, crawl, searched, forget, respond, photo):
    cats, dogs = photos(3), photos(1, first=3)
    works = [cats[0], {"url": cats[1], "foreign_landing_url": "http://x/p"}, cats[2]]
    forget("url", cats[0])
    forget("page", "http://x/p")
    crawled = crawl(searched(cat=works, dog=dogs))
    assert {r.path for r in site.asked()} == {"/v1/images/", "/2.jpg", "/3.jpg"}
    assert crawled.report.rejected == {"forgotten": 2}


def test_what_was_seen_on_a_forgotten_page_too_is_forgotten(
    site, photos, crawl, searched, forget, store
):
    cats, dogs = photos(2), photos(1, first=2)
    works = [
        {"url": cats[0], "foreign_landing_url": "http://x/theirs"},
        {"url": cats[0], "foreign_landing_url": "http://x/p"},
        cats[1],
    ]
    forget("page", "http://x/p")
    source = searched(cat=works, dog=dogs)
    for _ in range(3):
        crawled = crawl(source)
        assert {row["image_url"] for row in crawled.rows} == {cats[1], dogs[0]}
        assert crawled.report.rejected == {"forgotten": 1}
    assert len(in_shards(store, crawled.dataset)) == 2
    assert len(site.asked("/0.jpg")) == 1


def test_a_file_that_took_a_forgotten_ones_place_is_read(crawl, tmp_path, photo, forget):
    for seed, name in enumerate(("cat/1.jpg", "cat/2.jpg", "dog/1.jpg")):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(photo(seed))
    source = {"type": "directory", "path": str(tmp_path / "mine")}
    first = crawl(source)
    forget("sha256", sha_of(first, 1))
    assert crawl(source).report.rejected == {"forgotten": 1}
    (tmp_path / "mine" / "cat" / "1.jpg").write_bytes(photo(9, 97))
    crawled = crawl(source)
    assert crawled.report.rejected == {}
    assert len(crawled.rows) == 3


def test_forgotten_bytes_from_another_url_are_not_kept(site, photos, crawl, listed, forget, store):
    cats, dogs = photos(2), photos(1, first=2)
    first = crawl(listed(cat=cats, dog=dogs))
    forget("sha256", sha_of(first, 0))
    site.pages["/copy.jpg"] = site.pages["/0.jpg"]
    for _ in range(2):
        later = crawl(listed(cat=[*cats, site.url("/copy.jpg")], dog=dogs))
        assert later.report.rejected == {"forgotten": 2}
        assert sha_of(first, 0) not in in_shards(store, later.dataset)
    assert len([r for r in site.asked() if r.path == "/copy.jpg"]) == 1


def test_a_shard_of_which_nothing_is_left(crawl, photos, listed, forget, store):
    first = crawl(listed(cat=photos(1), dog=photos(1, first=2)))
    for row in first.rows:
        forget("sha256", row["sha256"])
    cats, dogs = photos(2), photos(2, first=2)
    source = listed(cat=cats, dog=dogs)
    later = crawl(source)
    assert in_shards(store, later.dataset) == sorted(row["sha256"] for row in later.rows)
    assert len(later.rows) == 2
    assert not {row["sha256"] for row in later.rows} & {row["sha256"] for row in first.rows}


def test_what_a_url_had_before_does_not_come_back_when_its_shard_is_written_anew(
    site, photos, crawl, listed, forget, respond, photo, store
):
    cats, dogs = photos(2), photos(1, first=2)
    source = listed(cat=cats, dog=dogs)
    crawl(source)
    site.pages["/0.jpg"] = respond(photo(9))
    changed = crawl(source, refetch_after_days=1e-9)
    forget("sha256", sha_of(changed, 1))
    later = crawl(source)
    assert later.report.rejected == {"forgotten": 1}
    assert {row["image"]["bytes"] for row in later.rows} == {photo(9), photo(2)}


def test_a_record_of_which_a_shard_was_replaced_counts_no_more(crawl, crawled, store):
    source, first = crawled
    (old,) = first.dataset.shards
    (before,) = records(store)
    replacing = Record(limits=before.limits, shards=(), replaces=(old.key,), visits=())
    journal.append(store, "crawls/", replacing)
    later = crawl(source)
    assert later.report.fetched == 4
    assert later.warnings == []
    assert old.key not in {shard.key for shard in later.dataset.shards}
