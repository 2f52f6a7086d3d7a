"""Where the fetcher goes: schemes, addresses, redirects, and URLs that are none."""

import hashlib
import ipaddress
import socket
import time

import pytest
from coralline_crawler import addresses
from coralline_crawler.addresses import is_public
from hypothesis import given
from hypothesis import strategies as st

PRIVATE, PUBLIC = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def public(monkeypatch):
    """Makes 127.0.0.2 an address of the public internet.

    There is no internet here, and something public has to be reached in these tests.
    """
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip == PUBLIC or is_public(ip))


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/hostname", "ftp://127.0.0.1/1.jpg", "data:image/png;base64,iVBORw0KGgo="),
        *("javascript:alert(1)", "FILE:/etc/hostname", "x:y"),
    ],
)
def test_only_http(site, fetch, respond, url):
    site.pages["/away"] = respond(status="302 Found", Location=url)
    assert fetch(url, site.url("/away")) == ["bad-scheme"] * 2
    assert len(site.asked()) == 1


@pytest.mark.parametrize("url", ["", "1.jpg", "//127.0.0.1/1.jpg"])
def test_a_url_has_a_scheme(fetch, url):
    assert fetch(url) == "bad-scheme"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::]", "10.0.0.1", "172.16.0.1", "192.168.0.1"),
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "0.0.0.0", "224.0.0.1"),
        *("0x7f000001", "0X7F.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"),
        *("[64:ff9b:1::7f00:1]", "[::ffff:0:7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]"),
        *("[fc00::1]", "[fec0::1]", "①②⑦.⓪.⓪.①", "127。0。0。1", "user@127.0.0.1"),
        *("2130706433", "0177.0.0.1", "127.1", "0", "%31%32%37.0.0.1"),
    ],
)
def test_private_addresses_are_refused_at_every_hop(
    site, photos, fetch, respond, public, host, quick
):
    photos(1)
    url = f"http://{host}:{site.port}/0.jpg"
    # As latin-1 it goes over the wire as the UTF-8 that it is.
    site.pages["/away"] = respond(status="302 Found", Location=url.encode().decode("latin-1"))
    options = {"allow_private_addresses": False, "robots": False}
    for asked in (url, site.url("/away", PUBLIC)):
        # yarl takes the short and the decimal forms for no host at all.
        assert fetch(asked, **options) in ("private-address", "bad-url", "connection")
    assert [request.path for request in site.requests] == ["/away"]
    assert fetch(site.url("/0.jpg", PUBLIC), **options).sha256  # the site itself is there


def test_private_addresses_are_named_as_the_reason(site, fetch, respond, public):
    options = {"allow_private_addresses": False}
    site.pages["/away"] = respond(status="302 Found", Location="http://169.254.169.254/")
    urls = ["http://10.0.0.1/", "http://0x7f000001/", "http://localhost/", "http://[::1]/"]
    assert fetch(*urls, site.url("/away", PUBLIC), **options) == ["private-address"] * 5


@pytest.fixture
def resolve(monkeypatch):
    """Has names resolve, each time to the next of their addresses: there is no DNS here."""
    real, names = socket.getaddrinfo, {}

    def getaddrinfo(host, port, *arguments, **options):
        addresses = names.get(host)
        address = addresses.pop(0) if addresses else host
        return [x for a in address.split() for x in real(a, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_a_name_that_resolves_anew_cannot_slip_through(site, photos, fetch, public, resolve):
    photos(1)
    resolve["rebinding.test"] = [PUBLIC, PRIVATE, PUBLIC, PRIVATE, PRIVATE]
    url = site.url("/0.jpg", "rebinding.test")
    options = {"allow_private_addresses": False, "robots": False}
    outcomes = [fetch(url, **options) for _ in range(5)]
    kept = [outcome != "private-address" for outcome in outcomes]
    assert kept == [True, False, True, False, False]
    assert {request.address for request in site.requests} == {PUBLIC}


def test_of_several_addresses_only_public_ones_are_connected_to(
    site, photos, fetch, public, resolve
):
    photos(1)
    resolve["both.test"] = [f"{PRIVATE} {PUBLIC}"]
    resolve["private.test"] = [f"{PRIVATE} 10.0.0.1 ::1"]
    options = {"allow_private_addresses": False, "robots": False}
    assert fetch(site.url("/0.jpg", "both.test"), **options).sha256
    assert fetch(site.url("/0.jpg", "private.test"), **options) == "private-address"
    assert {request.address for request in site.requests} == {PUBLIC}


def test_names_that_resolve_slowly_do_not_hold_up_others(site, photos, fetch, monkeypatch):
    # A handful of dead name servers filled all threads that resolve names.
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host.startswith("dead"):
            time.sleep(1.5)
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answers")
        return real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    photos(1)
    dead = [f"http://dead{number}.test/" for number in range(20)]
    *outcomes, live = fetch(
        *dead, site.url("/0.jpg", "live.test"), robots=False, timeout=1.2, concurrency=30
    )
    assert outcomes == ["timeout"] * 20
    assert live.sha256


def test_robots_txt_cannot_lead_to_private_addresses(site, photos, fetch, respond, public):
    photos(1)
    site.pages["/robots.txt"] = respond(status="302 Found", Location=site.url("/secret", PRIVATE))
    url = site.url("/0.jpg", PUBLIC)
    assert fetch(url, allow_private_addresses=False) == "private-address"
    assert site.asked() == []


ipv4 = st.ip_addresses(v=4)
special = st.one_of(
    st.ip_addresses(network=network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/8", "100::/64", "2001::/32", "2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10"),
        *("ff00::/8", "64:ff9b:1::/48", "4000::/3"),
    )
).filter(lambda ip: ip.version == 4 or not ip.ipv4_mapped)
CARRIERS = {"::ffff:0:0": 0, "64:ff9b::": 0, "2002::": 80}  # and how many bits follow the IPv4


@given(special)
def test_no_special_address_is_public(ip):
    assert not is_public(str(ip))


@given(ipv4, st.sampled_from(sorted(CARRIERS)))
def test_an_ipv6_address_is_as_public_as_the_ipv4_address_that_it_carries(ip, prefix):
    carrier = int(ipaddress.IPv6Address(prefix)) | int(ip) << CARRIERS[prefix]
    assert is_public(str(ipaddress.IPv6Address(carrier))) == is_public(str(ip))


@pytest.mark.parametrize("ip", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"])
def test_the_internet_is_public(ip):
    assert is_public(ip)


def test_five_redirects_are_followed_and_no_sixth(site, photos, fetch, respond):
    photos(1)
    for hop in range(6):
        site.pages[f"/{hop}"] = respond(status="302 Found", Location=site.url(f"/{hop + 1}"))
    site.pages["/6"] = site.pages["/0.jpg"]
    assert fetch(site.url("/1")).picture.suffix == "jpg"
    assert fetch(site.url("/0")) == "too-many-redirects"


def test_a_loop_ends(site, fetch, respond):
    site.pages["/a"] = respond(status="307 Temporary Redirect", Location="/b")
    site.pages["/b"] = respond(status="308 Permanent Redirect", Location="a")
    assert fetch(site.url("/a")) == "too-many-redirects"
    assert len(site.asked()) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["photo.jpg", "/in/photo.jpg", "./x/../photo.jpg?a=b c#d", "//{host}/in/photo.jpg"]
)
def test_relative_redirects(site, fetch, respond, photo, status, location):
    location = location.replace("{host}", f"127.0.0.2:{site.port}")
    site.pages["/in/away"] = respond(status=f"{status} There", Location=location)
    site.pages["/in/photo.jpg"] = respond(photo(1))
    assert fetch(site.url("/in/away")).sha256 == hashlib.sha256(photo(1)).hexdigest()


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://[::1", "bad-url"),
        ("http://host:99999/", "bad-url"),
        ("http://", "too-many-redirects"),  # which is the same page again
        ("http://" + "a" * 64 + ".com/", "bad-url"),
        ("", "too-many-redirects"),
        ("/\xff\xfe", "not-found"),
        (None, "http-error"),
    ],
)
def test_redirects_to_nowhere(site, fetch, respond, location, reason):
    site.pages["/away"] = respond(status="302 Found", Location=location)
    assert fetch(site.url("/away")) == reason


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "http:///1.jpg", "http://[::1", "http://h:99999/", "http://h:a/"),
        *("http://user@/", "http://a..b/", "http://./", "http://xn--a/", "http://xn--ÿ/"),
        *(f"http://{'a' * 64}.com/", f"http://{'a' * 300}/", f"http://{'é' * 70}.com/"),
        *("http://a%3Ab:c@127.0.0.1:1/", "http://a\u200b.com/", "http://127.0.0.1:1/\ud800"),
    ],
)
def test_an_odd_url_is_a_reject_and_no_crash(fetch, url):
    assert fetch(url, robots=False) in ("bad-url", "connection")
    assert fetch(url) in ("bad-url", "connection")


def test_urls_are_quoted_as_they_must_be(site, fetch, respond, photo):
    site.pages["/%C3%A9%20%25/a+b%2Fc.jpg"] = respond(photo(1))
    assert fetch(site.url("/é %25/a+b%2Fc.jpg#here")).picture.suffix == "jpg"
    [request] = site.asked()
    assert request.query == ""


def test_a_very_long_url_is_asked_for(site, fetch):
    assert fetch(site.url("/" + "a" * 30_000)) == "not-found"
