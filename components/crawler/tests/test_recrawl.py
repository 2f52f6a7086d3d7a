"""Crawls one after the other: deeper, again, and what has become of what was kept."""

import os
import signal
from urllib.parse import parse_qs

import pytest
from coralline_crawler import revisits
from coralline_crawler.record import Record
from coralline_crawler.revisits import TRIES
from PIL import Image

AT_ONCE = {"refetch_after_days": 1e-9}
"""All that was fetched before this crawl is looked at again."""


def fetched(site):
    """The images that the site was asked for since the last call, in order."""
    asked = [r.path for r in site.asked() if r.path != "/v1/images/"]
    site.requests.clear()
    return asked


def paths(*numbers):
    return [f"/{number}.jpg" for number in numbers]


def urls_of(crawled, label="cat"):
    return [row["image_url"] for row in crawled.rows if row["label"] == label]


def test_a_later_crawl_goes_deeper_and_begins_again_at_the_end(site, photos, crawl, searched):
    cats, dogs = photos(7), photos(1, first=7)
    source = searched(page_size=2, cat=cats, dog=dogs)
    for deeper in (paths(0, 1, 2, 7), paths(3, 4, 5), paths(6), [], []):
        crawled = crawl(source, max_per_query=3)
        assert sorted(fetched(site)) == deeper
    assert set(urls_of(crawled)) == set(cats)
    assert crawled.report.rejected == {}


def test_a_result_that_is_new_on_the_first_page_is_found_when_the_search_begins_again(
    site, photos, crawl, searched
):
    cats, dogs = photos(4), photos(1, first=4)
    for _ in range(2):
        crawl(searched(page_size=2, cat=cats, dog=dogs), max_per_query=2)
    new = photos(1, first=5)
    crawled = crawl(searched(page_size=2, cat=new + cats, dog=dogs), max_per_query=2)
    assert set(urls_of(crawled)) == {*cats, *new}


def test_each_source_and_query_has_a_place_of_its_own(site, photos, crawl, searched):
    cats, dogs = photos(4), photos(4, first=4)
    source = searched(page_size=2, cat=cats, dog=dogs)
    crawl(source, max_per_query=2)
    labels = {"cat": {"queries": ["a cat", "my cat"]}, "dog": {"queries": ["a dog"]}}
    crawled = crawl(source, max_per_query=2, labels=labels)
    assert set(urls_of(crawled)) == set(cats)
    # Of other licences there are other results, from the first on.
    site.requests.clear()
    crawl(source, max_per_query=2, labels=labels, licences=["by"])
    assert {parse_qs(r.query)["page"][0] for r in site.asked("/v1/images/")} == {"1"}


def test_what_another_query_found_first_belongs_to_the_one_that_found_it_later(
    photos, crawl, searched
):
    # In the crawl after, which went deeper, it belonged to nobody.
    cats, dogs = photos(4), photos(1, first=4)
    source = searched(page_size=2, cat=cats, dog=dogs)
    crawl(source, max_per_query=2)
    labels = {"cat": {"queries": ["my cat"]}, "dog": {"queries": ["a dog"]}}
    for _ in range(3):
        crawled = crawl(source, max_per_query=2, labels=labels)
        assert set(urls_of(crawled)) >= set(cats[:2])
        assert crawled.report.labels["cat"].queries["my cat"].kept == len(urls_of(crawled))
    assert set(urls_of(crawled)) == set(cats)


def test_what_a_list_named_belongs_to_a_search_that_found_it_too(photos, crawl, searched, listed):
    cats, dogs = photos(4), photos(1, first=4)
    listing = listed(cat=cats[:1], dog=dogs)
    crawl(listing)
    source = searched(page_size=2, cat=cats, dog=dogs)
    for _ in range(2):
        crawled = crawl(source, max_per_query=2)
    assert set(urls_of(crawled)) == set(cats)


def test_an_interrupted_crawl_skips_nothing(site, photos, crawl, searched, respond):
    cats, dogs = photos(6), photos(2, first=6)
    source = searched(page_size=2, cat=cats, dog=dogs)
    there = site.pages["/1.jpg"]

    def interrupt(request):
        os.kill(os.getpid(), signal.SIGINT)
        return respond(status="500 Oops")

    site.pages["/1.jpg"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        crawl(source, max_per_query=4)
    site.pages["/1.jpg"] = there
    crawled = crawl(source, max_per_query=4)
    assert set(urls_of(crawled)) == set(cats[:4])
    assert set(urls_of(crawl(source, max_per_query=4))) == set(cats)


def test_what_failed_for_a_passing_reason_is_tried_again_though_the_search_has_moved_on(
    site, photos, crawl, searched, respond
):
    cats, dogs = photos(4), photos(1, first=4)
    there = site.pages["/1.jpg"]
    site.pages["/1.jpg"] = respond(status="503 Busy")
    site.pages["/0.jpg"] = respond(status="404 Not Found")
    source = searched(page_size=2, cat=cats, dog=dogs)
    crawl(source, max_per_query=2)
    site.pages["/1.jpg"] = there
    fetched(site)
    crawled = crawl(source, max_per_query=2)
    assert sorted(fetched(site)) == paths(1, 2, 3)
    assert set(urls_of(crawled)) == set(cats[1:])


def test_what_always_fails_is_given_up(site, photos, crawl, searched, respond):
    cats, dogs = photos(2), photos(1, first=2)
    site.pages["/0.jpg"] = respond(status="503 Busy")
    source = searched(page_size=1, cat=cats, dog=dogs)
    asked = 0
    # Begun again at every second crawl, the search names it, too: that is not a further try.
    searched(page_size=1, cat=[cats[0], *[cats[1]] * 50], dog=dogs)
    for _ in range(TRIES + 3):
        crawled = crawl(source, max_per_query=1)
        asked += fetched(site).count("/0.jpg")
    assert asked == TRIES
    assert crawled.report.rejected == {"server-error": 1}


def test_a_query_that_finds_no_more_is_no_error(site, photos, crawl, searched, respond):
    cats, dogs = photos(2), photos(1, first=2)
    crawl(searched(cat=cats, dog=dogs))
    crawled = crawl(searched(dog=dogs))
    assert set(urls_of(crawled)) == set(cats)
    site.pages["/v1/images/"] = respond(status="500 Oops")
    crawled = crawl({"type": "openverse", "url": site.url("/v1/images/")})
    assert len(crawled.rows) == 3
    assert ["server-error" in text for text in crawled.warnings] == [True, True]


def test_a_source_that_gives_us_no_more_pages_is_begun_again(
    site, photos, crawl, searched, respond
):
    cats, dogs = photos(4), photos(1, first=4)
    source = searched(page_size=2, cat=cats, dog=dogs)
    crawl(source, max_per_query=2)
    whole = site.pages["/v1/images/"]
    site.pages["/v1/images/"] = lambda request: (
        respond(status="401 Log in") if "page=2" in request.query else whole(request)
    )
    crawled = crawl(source, max_per_query=2)
    assert crawled.warnings == []
    site.requests.clear()
    crawl(source, max_per_query=2)
    assert "page=1" in site.asked("/v1/images/")[0].query


def test_a_lost_shard_is_fetched_again_though_the_search_has_moved_on(
    site, photos, crawl, searched, store
):
    cats, dogs = photos(4), photos(1, first=4)
    source = searched(page_size=2, cat=cats, dog=dogs)
    first = crawl(source, max_per_query=2)
    store.delete(first.dataset.shards[0].key)
    crawled = crawl(source, max_per_query=2)
    assert set(urls_of(crawled)) == set(cats)
    assert crawled.report.rejected == {}


def test_a_page_that_a_picture_is_seen_on_later_stays_known(site, photos, crawl, searched, store):
    (cat, dog) = photos(2)
    pages = [f"http://x/{name}" for name in "abc"]
    works = [{"url": cat, "foreign_landing_url": page} for page in pages]
    source = searched(page_size=1, cat=works, dog=[dog])
    for _ in range(4):
        crawled = crawl(source, max_per_query=1)
    selected = crawled.dataset.selected(store).to_pylist()
    assert {row["group"] for row in selected if row["label"] == "cat"} == set(pages)
    assert len(crawled.rows) == 2


@pytest.fixture
def server(site, respond, photo):
    """Serves photos as a good server does; `bodies` may be changed."""
    bodies = {}

    def serve(*names, dated=False, seeds=None):
        for seed, name in enumerate(names):
            bodies[name] = photo(seed)

            def answer(request, name=name):
                body = bodies[name]
                if not isinstance(body, bytes):
                    return respond(**body)
                if dated:
                    date = "Mon, 02 Nov 2026 12:00:00 GMT"
                    if request.headers.get("if-modified-since") == date:
                        return respond(status="304 Not Modified", Content_Length=None)
                    return respond(body, Last_Modified=date)
                etag = f'"{hash(body)}"'
                if request.headers.get("if-none-match") == etag:
                    return respond(status="304 Not Modified", ETag=etag, Content_Length=None)
                return respond(body, ETag=etag)

            site.pages[f"/{name}"] = answer
        return [site.url(f"/{name}") for name in names]

    serve.bodies = bodies
    return serve


@pytest.mark.parametrize("dated", [True, False])
def test_what_has_not_changed_is_not_sent_again(site, crawl, listed, server, store, dated):
    cat, dog = server("cat", "dog", dated=dated)
    source = listed(cat=[cat], dog=[dog])
    first = crawl(source)
    site.requests.clear()
    again = crawl(source, **AT_ONCE)
    header = "if-modified-since" if dated else "if-none-match"
    assert [header in request.headers for request in site.asked()] == [True, True]
    assert all(request.sent < 300 for request in site.asked())
    assert again.report.again == {"unchanged": 2}
    assert again.dataset.id == first.dataset.id
    assert set(store.list("shards/")) == {
        shard.key for shard in (*first.dataset.shards, *first.dataset.selection)
    }
    site.requests.clear()
    later = crawl(source)  # not yet again
    assert site.asked() == []
    assert later.report.again == {}
    assert later.dataset.id == first.dataset.id


def test_the_same_bytes_sent_again_are_noted(site, photos, crawl, listed):
    source = listed(cat=photos(1), dog=photos(1, first=1))
    first = crawl(source)
    again = crawl(source, **AT_ONCE)
    assert again.report.again == {"unchanged": 2}
    assert again.report.fetched == 0
    assert again.rows == first.rows
    assert again.dataset.id == first.dataset.id


def test_another_image_at_a_url_takes_the_ones_place(crawl, listed, server, photo, store):
    cat, dog = server("cat", "dog")
    source = listed(cat=[cat], dog=[dog])
    crawl(source)
    server.bodies["cat"] = photo(9)
    changed = crawl(source, **AT_ONCE)
    assert changed.report.again == {"changed": 1, "unchanged": 1}
    assert [row["image"]["bytes"] for row in changed.rows] == [photo(1), photo(9)]
    assert changed.report.rejected == {}
    server.bodies["cat"] = photo(0)
    back = crawl(source, **AT_ONCE)  # which the store has still
    assert back.report.fetched == 0
    assert sorted(row["sha256"] for row in back.rows) == sorted(
        row["sha256"] for row in crawl(source).rows
    )
    assert {row["image"]["bytes"] for row in back.rows} == {photo(0), photo(1)}


@pytest.mark.parametrize(
    ("answer", "found", "gone"),
    [
        ({"status": "404 Not Found"}, "gone", 1),
        ({"status": "410 Gone"}, "gone", 1),
        ({"status": "503 Busy"}, "unreachable", 0),
        ({"body": b"<html>"}, "unreachable", 0),
    ],
)
def test_an_image_stays_when_its_url_does_not_have_it_any_more(
    site, crawl, listed, server, answer, found, gone
):
    cat, dog = server("cat", "dog")
    source = listed(cat=[cat], dog=[dog])
    first = crawl(source)
    server.bodies["cat"] = answer
    again = crawl(source, **AT_ONCE)
    assert again.report.again == {found: 1, "unchanged": 1}
    assert again.report.gone == gone
    assert again.report.rejected == {}
    assert again.rows == first.rows
    site.requests.clear()
    later = crawl(source)
    assert site.asked() == []
    assert later.rows == first.rows
    assert later.report.gone == gone


def test_a_site_that_takes_its_permission_back_is_heard(crawl, listed, server, photo):
    cat, dog = server("cat", "dog")
    source = listed(cat=[cat, *server("cat2")], dog=[dog])
    crawl(source)
    server.bodies["cat"] = {"body": photo(0), "X_Robots_Tag": "noai"}
    crawled = crawl(source, **AT_ONCE)
    assert crawled.report.rejected == {"noai": 1}
    assert crawled.dataset.counts["cat"] == {"": 1}


def test_null_means_never_again(site, photos, crawl, listed, monkeypatch):
    source = listed(cat=photos(1), dog=photos(1, first=1))
    crawl(source)
    site.requests.clear()
    crawl(source, refetch_after_days=None)
    assert site.requests == []


def test_the_oldest_are_looked_at_first_and_no_more_than_so_many(
    site, photos, crawl, listed, monkeypatch
):
    monkeypatch.setattr(revisits, "MOST", 2)
    cats, dogs = photos(4), photos(1, first=4)
    for count in range(1, 5):  # fetched in this order
        crawl(listed(cat=cats[:count], dog=dogs))
    source = listed(cat=cats, dog=dogs)
    fetched(site)
    looked_at = []
    for _ in range(5):
        crawl(source, **AT_ONCE)
        looked_at.append(sorted(fetched(site)))
    # The dog's was fetched together with the first cat's.
    assert looked_at[:2] == [paths(0, 4), paths(1, 2)]
    assert "/3.jpg" in looked_at[2]
    assert all(len(asked) == 2 for asked in looked_at)


def test_only_what_the_project_still_asks_for_is_looked_at_again(site, photos, crawl, searched):
    cats, dogs = photos(2), photos(1, first=2)
    source = searched(cat=cats, dog=dogs)
    crawl(source)
    fetched(site)
    labels = {"cat": {"queries": ["my cat"]}, "dog": {"queries": ["a dog"]}}
    searched(cat=photos(1, first=3), dog=dogs)
    crawled = crawl(source, labels=labels, **AT_ONCE)
    assert sorted(fetched(site)) == paths(2, 3)
    assert crawled.report.again == {"unchanged": 1}


def test_the_best_images_are_taken(site, crawl, listed, respond, picture, encoded, store):
    sizes = {"small": 100, "large": 300, "larger": 1024, "huge": 1400}
    for name, side in sizes.items():
        site.pages[f"/{name}"] = respond(encoded(picture(1 + side, side * 2, side), "JPEG"))
    # As large as the largest that counts, and much sharper.
    noise = Image.effect_noise((2048, 1024), 90).convert("RGB")
    site.pages["/sharp"] = respond(encoded(noise, "JPEG"))
    urls = [site.url(f"/{name}") for name in (*sizes, "sharp")]
    source = listed(cat=urls, dog=urls[:1])
    crawled = crawl(source, max_total=1)
    assert urls_of(crawled) == [site.url("/sharp")]
    assert crawled.report.rejected == {"surplus": 4}
    two = crawl(source, max_total=3)
    assert set(urls_of(two)) == {site.url(f"/{name}") for name in ("sharp", "larger", "huge")}
    assert len(crawl(source).rows) == 6


def test_a_label_that_has_plenty_is_not_searched_for_more(site, photos, crawl, searched):
    cats, dogs = photos(8), photos(2, first=8)
    source = searched(page_size=2, cat=cats, dog=dogs)
    for _ in range(5):
        crawled = crawl(source, max_per_query=2, max_total=2)
    assert crawled.dataset.counts == {"cat": {"": 2}, "dog": {"": 2}}
    asked = [r.query for r in site.asked("/v1/images/") if "cat" in r.query]
    assert len(asked) == 2  # then there are twice as many


def test_records_tell_what_later_steps_need(photos, crawl, searched, store):
    cat, dog = photos(2)
    work = {
        "url": cat,
        "creator": "Zoë",
        "license": "by",
        "license_version": "2.0",
        "foreign_landing_url": "http://x/1",
    }
    crawled = crawl(searched(cat=[work], dog=[dog]))
    (key,) = store.list("crawls/")
    visit = Record.model_validate_json(store.get(key).data).visits[0]
    row = crawled.rows[0]
    for name in ("sha256", "phash", "width", "height", "creator", "licence"):
        assert getattr(visit, name) == row[name] is not None
    assert visit.checked_at is not None
    assert visit.sharpness > 0
    (selected, _) = crawled.dataset.selected(store).to_pylist()
    shard = crawled.dataset.shards[0].key
    assert selected == {
        **{name: row[name] for name in ("sha256", "phash", "width", "height", "label")},
        **{name: row[name] for name in ("image_url", "page_url", "group")},
        "split": None,
        "shard": shard,
    }
