"""Which images belong to a project that changes from crawl to crawl."""

import json
import os

import pytest
from coralline_crawler.record import Record


@pytest.fixture
def folder(tmp_path, photo):
    """Two pictures a label, and what makes the source of them."""
    root = tmp_path / "pictures"
    for seed, name in enumerate(("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(seed))
    return root


def source(folder):
    return {"type": "directory", "path": str(folder)}


def labels(crawled):
    return sorted((row["label"], row["sha256"][:8]) for row in crawled.rows)


def test_a_file_moved_to_another_label_takes_its_picture_along(crawl, folder):
    before = labels(crawl(source(folder)))
    (folder / "cat" / "1.jpg").rename(folder / "dog" / "3.jpg")
    crawled = crawl(source(folder))
    assert [label for label, _ in labels(crawled)] == ["cat", "dog", "dog", "dog"]
    assert {sha for _, sha in labels(crawled)} == {sha for _, sha in before}
    assert crawled.report.rejected == {}
    (folder / "dog" / "3.jpg").rename(folder / "cat" / "1.jpg")
    assert labels(crawl(source(folder))) == before


def test_a_deleted_file_leaves_the_dataset(crawl, folder):
    crawl(source(folder))
    (folder / "cat" / "1.jpg").unlink()
    crawled = crawl(source(folder))
    assert crawled.dataset.counts == {"cat": {"": 1}, "dog": {"": 2}}
    assert len(crawled.rows) == 3


def test_a_replaced_file_is_read_anew(crawl, folder, photo):
    first = labels(crawl(source(folder)))
    (folder / "cat" / "1.jpg").write_bytes(photo(9))
    os.utime(folder / "cat" / "1.jpg", (1, 1))
    crawled = crawl(source(folder))
    assert crawled.report.fetched == 1
    assert len(set(labels(crawled)) & set(first)) == 3
    assert len(crawled.rows) == 4


def test_a_moved_folder_is_the_same_dataset(crawl, folder):
    first = crawl(source(folder))
    moved = folder.rename(folder.with_name("elsewhere"))
    again = crawl(source(moved))
    assert labels(again) == labels(first)
    assert again.report.rejected == {}
    assert again.report.crawled == 4
    assert again.report.fetched == 0


def test_a_line_of_a_list_that_gets_another_label(photos, crawl, listed):
    one, two, three, four = photos(4)
    first = crawl(listed(cat=[one, two], dog=[three, four]))
    corrected = crawl(listed(cat=[one], dog=[two, three, four]))
    assert corrected.dataset.counts == {"cat": {"": 1}, "dog": {"": 3}}
    assert {sha for _, sha in labels(corrected)} == {sha for _, sha in labels(first)}


@pytest.fixture
def engine(site, respond):
    """Lets the site answer Openverse's queries, each with some pictures on pages."""

    def engine(**found):
        def answer(request):
            query = request.query.partition("q=")[2].partition("&")[0].replace("+", " ")
            results = [
                {"url": url, "foreign_landing_url": page} for url, page in found[query.split()[-1]]
            ]
            return respond(json.dumps({"page_count": 1, "results": results}).encode())

        site.pages["/v1/images/"] = answer
        return {"type": "openverse", "url": site.url("/v1/images/")}

    return engine


def test_queries_that_were_swapped_and_put_right(photos, crawl, engine):
    cats, dogs = photos(3), photos(3, first=3)
    searched = engine(cat=[(url, None) for url in cats], dog=[(url, None) for url in dogs])
    swapped = {"cat": {"queries": ["a dog"]}, "dog": {"queries": ["a cat"]}}
    crawl(searched, labels=swapped)
    right = crawl(searched)
    assert {row["image_url"] for row in right.rows if row["label"] == "cat"} == set(cats)
    assert right.dataset.counts == {"cat": {"": 3}, "dog": {"": 3}}
    assert right.report.labels["cat"].queries.keys() == {"a cat"}


def test_what_a_query_found_once_stays_though_it_finds_other_things_now(photos, crawl, engine):
    cats, dogs = photos(3), photos(2, first=3)
    crawl(engine(cat=[(cats[0], None)], dog=[(url, None) for url in dogs]))
    crawled = crawl(engine(cat=[(url, None) for url in cats[1:]], dog=[(dogs[0], None)]))
    assert crawled.dataset.counts == {"cat": {"": 3}, "dog": {"": 2}}


def test_pages_that_share_a_picture_are_known_to_belong_together(
    photos, crawl, engine, site, respond, photo, store
):
    # A repost was fetched first: the person's own page was forgotten, and the person was split.
    (original,) = photos(1)
    site.pages["/repost.jpg"] = respond(photo(0))
    repost = site.url("/repost.jpg")
    dogs = [(url, "http://x/dogs") for url in photos(2, first=1)]
    searched = engine(
        cat=[(repost, "http://x/reposts"), (original, "http://x/person"), (repost, "http://x/too")],
        dog=dogs,
    )
    for _ in range(2):  # in the second crawl, all of it is known
        crawled = crawl(searched)
        assert crawled.report.rejected == {"duplicate": 1}
        selected = crawled.dataset.selected(store).to_pylist()
        (sha,) = {row["sha256"] for row in selected if row["label"] == "cat"}
        assert {row["group"] for row in selected if row["sha256"] == sha} == {
            "http://x/reposts",
            "http://x/person",
            "http://x/too",
        }
        assert len(crawled.rows) == 3


def test_folders_within_a_label_are_groups(crawl, folder, photo):
    for person in ("ann", "bob"):
        (folder / "cat" / person).mkdir()
        (folder / "cat" / person / "1.jpg").write_bytes(photo(20 + len(person) + ord(person[0])))
    crawled = crawl(source(folder))
    assert {row["group"] for row in crawled.rows} == {None, "ann", "bob"}


def test_what_a_lost_shard_held_is_fetched_again(photos, crawl, listed, store, site):
    listing = listed(cat=photos(2), dog=photos(2, first=2))
    first = crawl(listing)
    (shard,) = first.dataset.shards
    store.delete(shard.key)
    again = crawl(listing)
    assert again.warnings == ["missing shards: 1; what they held is fetched again"]
    assert again.report.fetched == 4
    assert labels(again) == labels(first)
    assert len(site.asked()) == 8
    records = [Record.model_validate_json(store.get(key).data) for key in store.list("crawls/")]
    assert len(records) == 2
