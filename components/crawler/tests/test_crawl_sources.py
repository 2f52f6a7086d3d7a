"""Where candidates come from: an API like Openverse's, search engines, lists, folders."""

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


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "urls.csv"

    def write(data):
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return {"type": "urls", "path": str(path)}

    return write


def test_a_list_with_all_columns(site, photos, crawl, csv_file):
    one, two = photos(2)
    source = csv_file(
        "\ufeffgroup,label,url,licence,creator,page_url\r\n"
        f'g1,cat,{one},by,"Last, ""First""",https://page.test/1\r\n'
        "\r\n"
        f'"two\nlines",dog, {two} ,,,\r\n'
    )
    cat, dog = crawl(source).rows
    assert (cat["group"], cat["licence"]) == ("g1", "by")
    assert (cat["creator"], cat["page_url"]) == ('Last, "First"', "https://page.test/1")
    assert (dog["image_url"], dog["group"], dog["source"]) == (two, "two\nlines", "urls")
    assert (dog["creator"], dog["page_url"], dog["query"]) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "line 1", "the header is ''"),
        ("label\ncat\n", "line 1", "the header is 'label'"),
        ("label,url,licens\n", "line 1", "the header is 'label,url,licens'"),
        ("cat,http://a/\n", "line 1", "the header is 'cat,http://a/'"),
        ("label,url\ncat,http://a/\nbird,http://b/\n", "line 3", "'bird' is not a label"),
        ("label,url\n\ncat\n", "line 3", "does not have the header's columns"),
        ("label,url\ncat,\n", "line 2", "does not have the header's columns"),
        ("label,url\ncat,http://a/,more\n", "line 2", "does not have the header's columns"),
        ('label,url,creator\ncat,http://a/,"b\nc"\n,http://d/,\n', "line 4", "does not have"),
        ('label,url\ncat,"http://a/"x\n', "urls.csv", "the list cannot be read"),
        (b"label,url\ncat,http://\xff/\n", "urls.csv", "the list cannot be read"),
    ],
)
def test_a_list_that_is_wrong_is_said_with_its_line(crawl, csv_file, text, where, what):
    with pytest.raises(CorallineError, match=what) as caught:
        crawl(csv_file(text))
    assert caught.value.where.endswith(where)


def test_a_list_that_is_not_there(crawl, tmp_path):
    with pytest.raises(CorallineError, match=r"the list cannot be read: .*No such file"):
        crawl({"type": "urls", "path": str(tmp_path / "none.csv")})


@pytest.fixture
def folder(tmp_path, photo):
    """A folder of two labels' photos, some of them further down, beside what is none."""
    root = tmp_path / "my photos"
    for name in ("cat/2.jpg", "cat/1é #.jpg", "cat/deep/er/3", "dog/1.jpg", "bird/1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(photo(int.from_bytes(name.encode(), "big")))
    (root / "cat" / ".hidden").write_bytes(photo(9))
    (root / "dog" / "notes.txt").write_text("not a photo")
    return root


def test_a_folder(crawl, folder):
    crawled = crawl({"type": "directory", "path": str(folder)})
    names = ["cat/1é #.jpg", "cat/2.jpg", "cat/deep/er/3", "dog/1.jpg"]
    assert [row["image_url"] for row in crawled.rows] == [(folder / n).as_uri() for n in names]
    assert [row["label"] for row in crawled.rows] == ["cat"] * 3 + ["dog"]
    assert crawled.rows[2]["image"]["path"].endswith(".jpg")
    assert crawled.report.rejected == {"not-an-image": 1}
    assert crawled.report.labels["dog"].rejected == {"not-an-image": 1}


def test_a_folder_that_is_not_there(crawl, tmp_path):
    with pytest.raises(CorallineError, match="there is no such folder"):
        crawl({"type": "directory", "path": str(tmp_path / "none")})


def test_a_folder_without_a_label(crawl, folder):
    with pytest.raises(CorallineError, match="there is no image of it in directory") as caught:
        crawl(
            {"type": "directory", "path": str(folder)},
            labels={x: {"queries": [x]} for x in ("cat", "fish")},
        )
    assert caught.value.where == "labels.fish"


def test_limits_hold_for_files(crawl, folder, photo):
    (folder / "cat" / "2.jpg").write_bytes(photo(1, 400, 400))
    crawled = crawl({"type": "directory", "path": str(folder)}, max_bytes=4000, max_pixels=10_000)
    assert crawled.report.labels["cat"].rejected == {"too-large": 1}


def test_a_file_that_cannot_be_read_is_counted(crawl, folder):
    (folder / "cat" / "2.jpg").unlink()
    (folder / "cat" / "2.jpg").symlink_to("/proc/self/mem")  # reading it is an error, for root too
    crawled = crawl({"type": "directory", "path": str(folder)})
    assert crawled.report.rejected == {"missing-file": 1, "not-an-image": 1}


def test_a_broken_file_that_was_put_right_is_taken(crawl, folder, photo):
    # It was rejected for ever, as a URL is.
    broken = folder / "cat" / "2.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    source = {"type": "directory", "path": str(folder)}
    assert crawl(source).report.labels["cat"].rejected == {"truncated": 1}
    broken.write_bytes(whole)
    crawled = crawl(source)
    assert crawled.report.labels["cat"].rejected == {}
    assert crawled.report.fetched == 1
