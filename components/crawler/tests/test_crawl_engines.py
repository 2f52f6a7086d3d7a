"""What search engines answer, as the crawler reads it: pages of results without an API."""

import asyncio
import html
import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from coralline_core.errors import CorallineError
from coralline_crawler.sources import bing, google, search_engine
from coralline_crawler.sources.bing import Bing
from coralline_crawler.sources.google import Google
from coralline_crawler.sources.search_engine import search_pages
from requests.adapters import HTTPAdapter


class ToTheSite(HTTPAdapter):
    """Sends to the site what is meant for a search engine."""

    def __init__(self, site):
        super().__init__()
        self.site = site

    def send(self, request, **options):
        meant = urlsplit(request.url)
        request.url = self.site.url(f"{meant.path}?{meant.query}")
        return super().send(request, **options)


@pytest.fixture
def ask(site):
    """The URLs and pages that an engine finds."""

    def ask(engine, query="a cat", limit=100, offset=0):
        engine.session.mount("https://", ToTheSite(site))

        async def all_of_them():
            return [found async for found in search_pages(engine, "cat", query, offset, limit)]

        pages = asyncio.run(all_of_them())
        found = [candidate for page in pages for candidate in page.candidates]
        assert {(one.label, one.query) for one in found} <= {("cat", query)}
        return [(one.url, one.page_url) for one in found]

    return ask


def bing_page(*results):
    """As https://www.bing.com/images/async answers."""
    tiles = (
        '<li data-idx="1"><div class="iuscp isv"><div class="imgpt">'
        f'<a class="iusc" style="height:180px" m="{html.escape(json.dumps(result))}" '
        f'href="/images/search?view=detailV2&amp;id=5E"><div class="img_cont hoff">'
        f'<img class="mimg" src="https://th.bing.com/th?id=OIP.x&amp;w=230"></div></a>'
        "</div></div></li>"
        for result in results
    )
    return f'<div class="dgControl"><ul class="dgControl_list">{"".join(tiles)}</ul></div>'


def bing_result(url, page_url="https://page.test/1"):
    return {"sid": "", "turl": "https://tse1.mm.bing.net/th?id=1", "murl": url, "purl": page_url}


def test_bing(site, ask, respond):
    urls = ["http://a.test/1.jpg", "https://b.test/2.webp?x=1&y=2", "https://c.test/é/3"]
    page = bing_page(*(bing_result(url, f"{url}#page") for url in urls))
    site.pages["/images/async"] = [respond(page.encode()), respond(b"")]
    assert ask(Bing("coralline/0.1")) == [(url, f"{url}#page") for url in urls]
    assert site.asked()[0].headers["user-agent"] == "coralline/0.1"
    assert [parse_qs(r.query)["first"] for r in site.asked()] == [["0"], ["20"]]


def google_page(*results):
    """As https://www.google.com/search?tbm=isch holds its results in a script."""
    pictures = ",".join(
        '[1,[0,"x1",["https://encrypted-tbn0.gstatic.com/images?q\\u003dtbn:1",183,275],'
        f'["{url}",1200,1800],null,0,"rgb(8,8,8)",null,0,'
        f'{{"2001":[null,null,null,1],"2003":[null,"dQw4","{page_url}","A title"]}}]]'
        for url, page_url in results
    )
    script = f"AF_initDataCallback({{key: 'ds:1', data:[31,{pictures}], sideChannel: {{}}}});"
    logo = '<img src="https://www.google.com/logo.png">'
    return f"<!doctype html><html><body>{logo}<script>{script}</script></body></html>"


def test_google(site, ask, respond):
    page = google_page(
        ("https://a.test/1.jpeg", "https://a.test/page"),
        ("https://b.test/2?w\\u003d1\\u0026h\\u003d2", "https://b.test/p?x\\u003d1"),
        ("http://c.test/3.webp", "https://c.test/page"),
    )
    site.pages["/search"] = [respond(page.encode()), respond(b"<html></html>")]
    assert ask(Google("coralline/0.1"), limit=300) == [
        ("https://a.test/1.jpeg", "https://a.test/page"),
        ("https://b.test/2?w=1&h=2", "https://b.test/p?x=1"),
        ("http://c.test/3.webp", "https://c.test/page"),
    ]
    assert site.asked()[0].headers["user-agent"] == "coralline/0.1"
    assert [parse_qs(r.query)["start"] for r in site.asked()] == [["0"], ["100"]]


ENGINES = {
    "bing": (Bing, "/images/async", lambda *urls: bing_page(*map(bing_result, urls))),
    "google": (Google, "/search", lambda *urls: google_page(*((url, "http://p/") for url in urls))),
}
each_engine = pytest.mark.parametrize(
    ("engine", "path", "page"), ENGINES.values(), ids=ENGINES.keys()
)


@each_engine
def test_a_keyword_is_sent_whole(site, ask, respond, engine, path, page):
    site.pages[path] = respond(page().encode())
    ask(engine("coralline/0.1"), "cats & dogs #1 + 100% é")
    assert parse_qs(site.asked()[0].query)["q"] == ["cats & dogs #1 + 100% é"]
    assert quote("é") in site.asked()[0].query


@each_engine
def test_pages_are_asked_for_until_one_brings_nothing_new(site, ask, respond, engine, path, page):
    first, second = (respond(page(*urls).encode()) for urls in (("http://a/", "http://b/"),) * 2)
    third = respond(page("http://a/", "http://c/").encode())
    site.pages[path] = [first, third, second, respond(page("http://d/").encode())]
    found = ask(engine("coralline/0.1"), limit=1000)
    assert [url for url, _ in found] == ["http://a/", "http://b/", "http://c/"]
    assert len(site.asked()) == 3


@each_engine
def test_no_more_than_wanted(site, ask, respond, engine, path, page):
    site.pages[path] = respond(page(*(f"http://a/{n}" for n in range(50))).encode())
    assert len(ask(engine("coralline/0.1"), limit=7)) == 7


@pytest.mark.parametrize(("engine", "field"), [("bing", "first"), ("google", "start")])
def test_an_engine_goes_on_where_it_left_off(site, respond, engine, field):
    make, path, page = ENGINES[engine]
    site.pages[path] = respond(page(*(f"http://a/{n}" for n in range(25))).encode())

    async def results(offset, limit):
        asked = make("coralline/0.1")
        asked.session.mount("https://", ToTheSite(site))
        return [found async for found in search_pages(asked, "cat", "a cat", offset, limit)]

    (cut,) = asyncio.run(results(40, 7))
    assert parse_qs(site.asked()[0].query)[field] == ["40"]
    assert [one.rank for one in cut.candidates] == list(range(40, 47))
    assert (cut.offset, cut.exhausted) == (47, False)
    whole, last = asyncio.run(results(cut.offset, 2 * make.page_size))
    assert (whole.offset, whole.exhausted) == (47 + make.page_size, False)
    assert (last.candidates, last.exhausted) == ([], True)  # the same page once more


@each_engine
def test_an_engine_that_refuses_is_an_error(site, ask, respond, engine, path, page):
    site.pages[path] = respond(status="429 Too Many Requests")
    with pytest.raises(CorallineError, match="refuses the query 'a cat': HTTP 429"):
        ask(engine("coralline/0.1"))


@each_engine
def test_an_engine_that_is_not_there_is_an_error(site, ask, engine, path, page):
    site.pages[path] = b""
    with pytest.raises(CorallineError, match="cannot be reached for the query 'a cat'"):
        ask(engine("coralline/0.1"))


@each_engine
@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe\0", b"<![a[b]]>", b"<a m='[1]'>", b"<a m='{'>", b'["http://", 1, 2]']
)
def test_a_page_that_is_none_has_no_results(site, ask, respond, engine, path, page, text):
    site.pages[path] = respond(text)
    assert ask(engine("coralline/0.1")) == []


def test_odd_results_of_google_do_not_end_the_search(site, ask, respond):
    odd = (
        "https://a.test/\\x3d",
        "https://a.test/\\",
        "https://[a.test/",
        "https://a.test/\\ud800",
    )
    page = google_page(*((url, url) for url in odd), ("https://b.test/2", "https://p.test/"))
    site.pages["/search"] = respond(page.encode())
    found = ask(Google("coralline/0.1"))
    assert ("https://b.test/2", "https://p.test/") in found
    "".join(url for url, _ in found).encode()  # all can be written into a record


def test_odd_results_of_bing_do_not_end_the_search(site, ask, respond):
    odd = [{}, {"murl": None}, {"murl": 1}, bing_result("https://a.test/\ud800", "\ud800")]
    page = bing_page(*odd, bing_result("https://b.test/2"))
    site.pages["/images/async"] = respond(page.encode())
    found = ask(Bing("coralline/0.1"))
    assert found == [("https://a.test/?", "?"), ("https://b.test/2", "https://page.test/1")]


def test_a_whole_crawl_of_both_engines(site, photos, crawl, respond, monkeypatch):
    def session(user_agent):
        session = search_engine.new_session(user_agent)
        session.mount("https://", ToTheSite(site))
        return session

    monkeypatch.setattr(bing, "new_session", session)
    monkeypatch.setattr(google, "new_session", session)
    urls = photos(5)
    site.pages["/images/async"] = respond(bing_page(*map(bing_result, urls[:3])).encode())
    site.pages["/search"] = respond(
        google_page(*((url, "https://page.test/2") for url in urls[2:])).encode()
    )
    labels = {x: {"queries": [x]} for x in "ab"}
    crawled = crawl("bing", "google", labels=labels, contact="me@example.org")
    assert [row["image_url"] for row in crawled.rows] == [
        *(urls[:3] * 2),
        *(urls[3:] * 2),
    ]
    assert crawled.report.sources == {"bing": 6, "google": 4}
    names = {request.headers["user-agent"] for request in site.requests}
    assert names == {"coralline/0.1 (me@example.org)"}
