"""Where candidates come from: an API like Openverse's, search engines, lists, folders."""

import json
from urllib.parse import parse_qs

import pytest
from coralline_core.errors import CorallineError


def works(*urls, page_count=1, **more):
    results = [{"id": url, "title": "A work", "url": url, **more} for url in urls]
    return json.dumps({"result_count": 9, "page_count": page_count, "results": results}).encode()


@pytest.fixture
def openverse(site, respond):
    """Answers queries, given by their words, with pages of URLs; returns the source."""

    def serve(**by_query):
        def answer(request):
            asked = {key: value for key, [value] in parse_qs(request.query).items()}
            pages = by_query.get(asked["q"].removeprefix("a "), [()])
            number = int(asked["page"])
            return respond(works(*pages[number - 1], page_count=len(pages)))

        site.pages["/v1/images/"] = answer
        return {"type": "openverse", "url": site.url("/v1/images/")}

    return serve


def asked_for(site):
    return [parse_qs(request.query) for request in site.asked("/v1/images/")]


def test_openverse_page_after_page(site, photos, crawl, openverse):
    urls = photos(7)
    source = openverse(cat=[urls[:2], urls[2:4], urls[4:5]], dog=[urls[5:]])
    crawled = crawl({**source, "page_size": 2})
    assert [row["image_url"] for row in crawled.rows] == urls
    assert [row["label"] for row in crawled.rows] == ["cat"] * 5 + ["dog"] * 2
    assert {row["query"] for row in crawled.rows} == {"a cat", "a dog"}
    assert [(a["q"], a["page"], a["page_size"]) for a in asked_for(site)] == [
        (["a cat"], ["1"], ["2"]),
        (["a cat"], ["2"], ["2"]),
        (["a cat"], ["3"], ["2"]),
        (["a dog"], ["1"], ["2"]),
    ]
    assert crawled.report.labels["cat"].queries["a cat"].found == 5
    assert crawled.warnings == []


def test_openverse_is_asked_for_no_more_than_wanted(site, photos, crawl, openverse):
    urls = photos(7)
    source = openverse(cat=[urls[:2], urls[2:4], urls[4:6]], dog=[urls[6:]])
    crawled = crawl(source, max_per_query=3)
    assert [row["image_url"] for row in crawled.rows] == [*urls[:3], urls[6]]
    assert len(asked_for(site)) == 3


def test_openverse_with_the_query_as_it_is_and_licences(site, photos, crawl, respond):
    site.pages["/v1/images/"] = respond(works(*photos(1)))
    source = {"type": "openverse", "url": site.url("/v1/images/")}
    query = "cats & dogs #1 + 100% é"
    labels = {"cat": {"queries": [query]}, "dog": {"queries": ["dog"]}}
    crawl(source, labels=labels, licences=["CC BY 4.0", "cc0", "own"])
    assert asked_for(site)[0]["q"] == [query]
    assert asked_for(site)[0]["license"] == ["by,cc0"]


def test_openverse_says_who_made_a_work(site, photos, crawl, respond):
    more = {
        "creator": "Zoë",
        "license": "by-sa",
        "license_version": "4.0",
        "foreign_landing_url": "https://photos.test/1",
    }
    page = works(*photos(1), **more)
    site.pages["/v1/images/"] = respond(page)
    crawled = crawl({"type": "openverse", "url": site.url("/v1/images/")})
    row = crawled.rows[0]
    assert (row["creator"], row["licence"]) == ("Zoë", "by-sa 4.0")
    assert row["page_url"] == row["group"] == "https://photos.test/1"
    assert crawled.report.licences == {"by-sa 4.0": 2}


def test_openverse_may_leave_out_all_but_the_results(site, photos, crawl, respond):
    [url] = photos(1)
    page = {"page_count": 1, "results": [{"url": url}, {"url": None}, {}]}
    site.pages["/v1/images/"] = respond(json.dumps(page).encode())
    crawled = crawl({"type": "openverse", "url": site.url("/v1/images/")})
    assert [row["image_url"] for row in crawled.rows] == [url, url]
    assert crawled.rows[0]["licence"] is None


BROKEN = [b"<html>", b"", b"[]", b'{"results": []}', b'{"page_count": 1, "results": [1]}']


@pytest.mark.parametrize("page", BROKEN)
def test_openverse_that_answers_something_else_is_an_error(site, crawl, respond, page):
    site.pages["/v1/images/"] = respond(page)
    url = site.url("/v1/images/")
    with pytest.raises(CorallineError, match="answers the query 'a cat' with something") as caught:
        crawl({"type": "openverse", "url": url})
    assert caught.value.where == url


@pytest.mark.parametrize(
    ("status", "reason"), [("404 No", "not-found"), ("429 No", "rate-lim"), ("500 No", "server-")]
)
def test_openverse_that_does_not_answer_is_an_error(site, crawl, respond, status, reason):
    site.pages["/v1/images/"] = respond(status=status)
    with pytest.raises(CorallineError, match=f"does not answer the query 'a cat': {reason}"):
        crawl({"type": "openverse", "url": site.url("/v1/images/")})


def test_where_another_source_answers_it_is_a_warning(site, photos, crawl, listed, respond):
    urls = photos(2)
    site.pages["/v1/images/"] = respond(status="500 Oops")
    broken = {"type": "openverse", "url": site.url("/v1/images/")}
    site.pages["/v2/images/"] = respond(works(*urls))
    crawled = crawl(broken, {"type": "openverse", "url": site.url("/v2/images/")})
    assert len(crawled.rows) == 4
    assert ["server-error" in text for text in crawled.warnings] == [True, True]


def test_what_came_before_an_error_counts(site, photos, crawl, respond):
    first = respond(works(*photos(2), page_count=2))
    site.pages["/v1/images/"] = [first, respond(status="401 Log in")]
    site.pages["/v1/images/"] *= 2
    crawled = crawl({"type": "openverse", "url": site.url("/v1/images/")})
    assert len(crawled.rows) == 4
    assert ["refused" in text for text in crawled.warnings] == [True, True]


def test_a_query_that_finds_nothing_is_an_error(site, photos, crawl, openverse):
    source = openverse(cat=[photos(1)])
    with pytest.raises(CorallineError, match="'a dog' finds nothing with openverse") as caught:
        crawl(source)
    assert caught.value.where == "labels.dog.queries"


def test_a_label_with_nothing_is_an_error(photos, crawl, listed):
    with pytest.raises(CorallineError, match=r"there is no image of it in urls .*urls\.csv") as e:
        crawl(listed(cat=photos(1)))
    assert e.value.where == "labels.dog"
