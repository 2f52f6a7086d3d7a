"""What the fetcher owes to sites: its name, robots.txt, X-Robots-Tag, turns, and patience."""

import email.utils
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from coralline_crawler.fetch import _retry_after
from coralline_crawler.rejects import RejectedError
from coralline_crawler.robots import check_header
from hypothesis import given
from hypothesis import strategies as st

ROBOTS = "User-agent: *\nDisallow: /private/\n\nUser-agent: coralline\nDisallow: /closed/\n"


def test_it_says_who_it_is_and_whom_to_ask(site, photos, fetch):
    [url] = photos(1)
    fetch(url, contact="me@example.org")
    assert [r.path for r in site.requests] == ["/robots.txt", "/0.jpg"]
    names = {request.headers["user-agent"] for request in site.requests}
    assert names == {"coralline/0.1 (me@example.org)"}


@pytest.fixture
def places(site, photos):
    """The same photo at several paths."""
    photos(1)
    paths = ("/open.jpg", "/private/1.jpg", "/closed/1.jpg")
    site.pages |= dict.fromkeys(paths, site.pages["/0.jpg"])
    return [site.url(path) for path in paths]


@pytest.mark.parametrize(
    ("user_agent", "kept"),
    [("coralline/0.1", [True, True, False]), ("Other/2", [True, False, True])],
)
def test_robots_txt_is_read_for_our_name(site, fetch, respond, places, user_agent, kept):
    site.pages["/robots.txt"] = respond(ROBOTS.encode())
    outcomes = fetch(*places, user_agent=user_agent)
    assert [outcome != "robots" for outcome in outcomes] == kept
    assert len(site.asked()) == 2


def test_robots_txt_is_read_once_a_site(site, photos, fetch, respond):
    site.pages["/robots.txt"] = respond(ROBOTS.encode())
    urls = photos(10)
    fetch(*urls, *(url.replace("127.0.0.1", "127.0.0.2") for url in urls))
    asked = site.asked("/robots.txt")
    assert [r.address for r in asked] == ["127.0.0.1", "127.0.0.2"]


def test_robots_txt_is_not_read_where_it_does_not_count(site, fetch, respond, places):
    site.pages["/robots.txt"] = respond(ROBOTS.encode())
    assert "robots" not in fetch(*places, robots=False)
    assert site.asked("/robots.txt") == []


def test_robots_txt_holds_for_where_a_redirect_leads(site, fetch, respond, places):
    site.pages["/robots.txt"] = respond(ROBOTS.encode())
    site.pages["/away"] = respond(status="302 Found", Location="/closed/1.jpg")
    assert fetch(site.url("/away")) == "robots"
    assert site.asked("/closed/1.jpg") == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_without_a_robots_txt_everything_is_allowed(site, photos, fetch, respond, status):
    [url] = photos(1)
    site.pages["/robots.txt"] = respond(ROBOTS.encode(), status=f"{status} No")
    assert fetch(url).sha256


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_site_that_cannot_say_is_left_alone(site, photos, fetch, respond, status):
    urls = photos(3)
    site.pages["/robots.txt"] = respond(status=f"{status} Later")
    assert fetch(*urls) == ["robots-unavailable"] * 3
    assert site.asked() == []


def test_an_endless_robots_txt_says_nothing(site, photos, fetch, respond):
    async def endless(request):
        yield respond(Content_Length=None)
        while True:
            yield b"#" * (1 << 16)

    urls = photos(1)
    site.pages["/robots.txt"] = endless
    assert fetch(*urls) == "robots-unavailable"


@pytest.mark.parametrize("text", [b"<html>", b"\xff\xfe\0", b"Disallow: /", b"User-agent: *"])
def test_a_robots_txt_that_is_none_forbids_nothing(site, photos, fetch, respond, text):
    [url] = photos(1)
    site.pages["/robots.txt"] = respond(text)
    assert fetch(url).sha256


def test_a_robots_txt_with_a_byte_order_mark(site, fetch, respond, places):
    site.pages["/robots.txt"] = respond(b"\xef\xbb\xbfUser-agent: *\nDisallow: /")
    assert fetch(*places) == ["robots"] * 3


def test_crawl_delay(site, photos, fetch, respond):
    urls = photos(4)
    site.pages["/robots.txt"] = respond(b"User-agent: *\nCrawl-delay: 0.3")
    fetch(*urls)
    times = [request.time for request in site.asked()]
    assert all(later - earlier > 0.25 for earlier, later in pairwise(times))
    assert len(times) == 4


FORBIDDEN = [
    *("noai", "noimageai", "NoAI, noimageai", "noindex", "none", "nofollow , noai"),
    *("coralline: noai", "Coralline: nofollow, noimageai", "max-snippet: -1, noai"),
    *("max-image-preview:large, noai", "unavailable_after: 25 Jun 2040 15:00:00 PST, noai"),
]
ALLOWED = [
    *("", "all", "nofollow", "noarchive, nosnippet", "otherbot: noai", "googlebot: noindex"),
    *("max-image-preview: none", "max-snippet:-1", "unavailable_after: 25 Jun 2040 15:00:00 PST"),
]


@pytest.mark.parametrize("value", FORBIDDEN)
def test_x_robots_tag_forbids(site, fetch, respond, photo, value):
    site.pages["/"] = respond(photo(1), X_Robots_Tag=value)
    assert fetch(site.url("/")) == "noai"
    assert fetch(site.url("/"), robots=False).sha256


@pytest.mark.parametrize("value", ALLOWED)
def test_x_robots_tag_allows(site, fetch, respond, photo, value):
    site.pages["/"] = respond(photo(1), X_Robots_Tag=value)
    assert fetch(site.url("/")).sha256


def test_x_robots_tag_may_be_sent_twice(site, fetch, respond, photo):
    site.pages["/"] = respond(photo(1), X_Robots_Tag="otherbot: noindex\r\nX-Robots-Tag: noai")
    assert fetch(site.url("/")) == "noai"


@given(st.lists(st.text(max_size=20), max_size=3))
def test_no_x_robots_tag_crashes(values):
    with suppress(RejectedError):
        check_header(values, "coralline/0.1")


@pytest.mark.parametrize("per_host", [1, 3])
def test_a_host_has_so_many_requests_at_once_and_no_more(site, photos, fetch, per_host):
    urls = photos(9)
    site.delay = lambda _: 0.08
    outcomes = fetch(*urls, per_host=per_host)
    assert all(outcome.sha256 for outcome in outcomes)
    assert site.most_open == per_host


def test_all_hosts_together_have_so_many_requests_and_no_more(site, photos, fetch):
    urls = photos(8)
    site.delay = lambda _: 0.08
    fetch(*urls, *(url.replace("127.0.0.1", "127.0.0.2") for url in urls), concurrency=4)
    assert site.most_open == 4


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "429 Slower"])
def test_what_may_pass_is_tried_again(site, fetch, respond, photo, quick, status):
    site.pages["/"] = [respond(status=status), respond(status=status), respond(photo(1))]
    assert fetch(site.url("/"), retries=2).sha256
    assert len(site.asked()) == 3


def test_a_broken_connection_is_tried_again(site, fetch, respond, photo, quick):
    site.pages["/"] = [b"", respond(photo(1))[:-9], respond(photo(1))]
    assert fetch(site.url("/"), retries=2).sha256


def test_retries_end(site, fetch, respond, quick):
    site.pages["/"] = respond(status="500 Oops")
    assert fetch(site.url("/"), retries=3) == "server-error"
    assert len(site.asked()) == 4


def test_what_will_not_pass_is_not_tried_again(site, fetch, respond, quick):
    site.pages |= {"/a": respond(b"junk"), "/b": respond(status="403 No")}
    fetch(site.url("/a"), site.url("/b"), site.url("/c"), retries=3)
    assert len(site.asked()) == 3


@pytest.mark.parametrize("status", ["429 Slower", "503 Busy"])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(site, fetch, respond, photo, quick, status, form):
    # A date has whole seconds, so that of two seconds may be one.
    date = email.utils.formatdate(time.time() + 2, usegmt=True)
    after = "1" if form == "seconds" else date
    site.pages["/"] = [respond(status=status, Retry_After=after), respond(photo(1))]
    assert fetch(site.url("/"), retries=1).sha256
    first, second = (request.time for request in site.asked())
    assert second - first > 0.9


def test_retry_after_holds_for_the_whole_host(site, photos, fetch, respond, photo, quick):
    site.pages["/"] = [respond(status="429 Slower", Retry_After="1"), respond(photo(9))]
    [other] = photos(1)
    outcomes = fetch(site.url("/"), other, retries=1, per_host=1, robots=False)
    assert all(outcome.sha256 for outcome in outcomes)
    first, second, _ = (request.time for request in site.asked())
    assert second - first > 0.9


def test_a_host_that_wants_us_gone_for_long_is_left_alone(site, fetch, photos, respond, quick):
    urls = photos(5)
    site.pages["/"] = respond(status="503 Busy", Retry_After="3600")
    outcomes = fetch(site.url("/"), *urls, retries=2, per_host=1, robots=False)
    assert outcomes == ["rate-limited"] * 6
    assert len(site.asked()) == 1


class Answer:
    """As much of a response as `_retry_after` reads."""

    def __init__(self, value):
        self.headers = {"Retry-After": value}


@given(st.text(st.sampled_from("0123456789 :+-,MonJanGMT²٣"), max_size=40))
def test_no_retry_after_crashes(value):
    assert _retry_after(Answer(value)) >= 0


def test_a_retry_after_out_of_all_bounds():
    assert _retry_after(Answer("9" * 400)) == float("inf")
    assert _retry_after(Answer("Mon, 01 Jan 2024 00:00:00 +99999999999999999")) == 0
    assert _retry_after(Answer("Mon, 01 Jan 2001 00:00:00 GMT")) == 0


def test_a_host_that_has_had_enough_does_not_hold_the_crawl(site, fetch, respond, quick):
    # It was asked on and on: 240 images of a site that answers 429 took hours.
    for number in range(60):
        site.pages[f"/{number}"] = respond(status="429 Slower", Retry_After="0")
    found = fetch(*(site.url(f"/{number}") for number in range(60)), retries=2, per_host=4)
    assert set(found) == {"rate-limited"}
    assert len(site.asked()) < 30


def test_a_host_that_answers_now_and_then_is_asked_on(site, photos, fetch, respond, quick):
    urls = []
    for number, photo in enumerate(photos(30)):
        site.pages[f"/no/{number}"] = respond(status="429 Slower")
        urls += [site.url(f"/no/{number}"), photo]
    found = fetch(*urls, retries=0, per_host=1)
    assert found[::2] == ["rate-limited"] * 30
    assert all(not isinstance(image, str) for image in found[1::2])
