"""What crawls keep: images, records, and what a second crawl makes of them."""

import asyncio
import hashlib
import random
import time
from datetime import UTC, datetime
from typing import get_args

import pytest
from coralline_core import forgotten, journal
from coralline_core.errors import CorallineError
from coralline_core.forgotten import Notice
from coralline_core.store import FileStore
from coralline_crawler import addresses
from coralline_crawler import crawl as crawl_module
from coralline_crawler import fetch as fetch_module
from coralline_crawler import ledger as ledger_module
from coralline_crawler import visiting as visiting_module
from coralline_crawler.crawl import require_enough
from coralline_crawler.record import Record
from coralline_crawler.rejects import FINAL, LIMITS, Reason
from coralline_crawler.settings import CrawlSettings

# The crawler silences Pillow's warning, which pytest turns on again.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def records(store):
    return [Record.model_validate_json(store.get(key).data) for key in store.list("crawls/")]


def test_a_row_says_all_that_is_known(site, photos, crawl, listed, photo, store):
    cats, dogs = photos(3), photos(1, first=3)
    crawled = crawl(listed(cat=cats, dog=dogs))
    row = crawled.rows[0]
    assert row["image"]["bytes"] == photo(0)
    assert row["sha256"] == hashlib.sha256(photo(0)).hexdigest()
    assert row["image"]["path"] == f"{row['sha256']}.jpg"
    assert (row["width"], row["height"]) == (96, 72)
    assert (row["label"], row["source"], row["image_url"]) == ("cat", "urls", cats[0])
    assert abs((datetime.now(UTC) - row["fetched_at"]).total_seconds()) < 60
    assert crawled.dataset.counts == {"cat": {"": 3}, "dog": {"": 1}}
    assert crawled.report.crawled == crawled.report.fetched == 4
    assert crawled.report.bytes == sum(len(photo(seed)) for seed in range(4))
    named = {shard.key for shard in (*crawled.dataset.shards, *crawled.dataset.selection)}
    assert named == set(store.list("shards/"))


def test_a_second_crawl_asks_for_nothing_again(site, photos, crawl, listed):
    source = listed(cat=photos(5), dog=photos(5, first=5))
    first = crawl(source)
    site.requests.clear()
    second = crawl(source)
    assert site.requests == []
    assert second.dataset.id == first.dataset.id
    assert second.rows == first.rows
    assert (second.report.crawled, second.report.fetched, second.report.bytes) == (10, 0, 0)


def test_a_second_crawl_adds_what_is_new(site, photos, crawl, listed):
    crawl(listed(cat=photos(2), dog=photos(2, first=2)))
    site.requests.clear()
    crawled = crawl(listed(cat=photos(2), dog=photos(4, first=2)))
    assert [request.path for request in site.asked()] == ["/4.jpg", "/5.jpg"]
    assert (crawled.report.crawled, crawled.report.fetched) == (6, 2)
    assert len(crawled.dataset.shards) == 2
    assert len({row["sha256"] for row in crawled.rows}) == len(crawled.rows) == 6


def test_the_same_file_from_another_url_is_a_duplicate(site, photos, crawl, listed):
    one, two = photos(2)
    site.pages["/again.jpg"] = site.pages["/0.jpg"]
    again = site.url("/again.jpg")
    crawled = crawl(listed(cat=[one, again], dog=[two, again]))
    assert [(row["label"], row["image_url"]) for row in crawled.rows] == [
        ("cat", one),
        ("dog", two),
        ("dog", again),  # of another label: which of the two is right is not for a crawler to say
    ]
    assert crawled.report.rejected == {"duplicate": 1}
    assert crawled.report.examples == {"duplicate": [again]}
    site.requests.clear()
    site.pages["/later.jpg"] = site.pages["/0.jpg"]
    later = site.url("/later.jpg")
    crawled = crawl(listed(cat=[one, again, later], dog=[two, again]))
    assert [request.path for request in site.asked()] == ["/later.jpg"]
    assert crawled.report.rejected == {"duplicate": 2}
    assert len(crawled.rows) == 3


def test_a_url_that_is_named_twice_is_asked_for_once(site, photos, crawl, listed):
    one, two = photos(2)
    crawled = crawl(listed(cat=[one, one], dog=[two]), listed(cat=[one, one], dog=[two]))
    assert len(site.asked()) == 2
    assert crawled.report.rejected == {}


@pytest.fixture
def every_reject(site, photos, respond, photo, listed, tmp_path, monkeypatch, store):
    """Sources that give every reason once, and three images, and the settings for it."""

    async def drip(request):
        yield b"HTTP/1.1 200 OK\r\nX-A: "
        while True:
            yield b"a"
            await asyncio.sleep(0.05)

    def robots(request):
        if request.address == "127.0.0.2":
            return respond(status="500 Oops")
        return respond(b"User-agent: *\nDisallow: /robots")

    site.pages |= {
        "/http-error": respond(status="418 I'm a teapot"),
        "/noai": respond(photo(1), X_Robots_Tag="noai"),
        "/not-an-image": respond(b"<html>"),
        "/rate-limited": respond(status="429 Slower"),
        "/refused": respond(status="403 No"),
        "/robots.txt": robots,
        "/server-error": respond(status="500 Oops"),
        "/timeout": drip,
        "/too-large": respond(bytes(20_001)),
        "/too-many-pixels": respond(photo(1, 200, 100)),
        "/too-many-redirects": respond(status="302 Found", Location="/too-many-redirects"),
        "/too-small": respond(photo(1, 31, 40)),
        "/truncated": respond(photo(1)[:-9]),
    }
    elsewhere = {
        "bad-scheme": "file:///etc/hostname",
        "bad-url": "http://[::1",
        "connection": "http://127.0.0.1:1/",
        "private-address": "http://10.0.0.1/",
        "robots-unavailable": site.url("/", "127.0.0.2"),
    }
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    # A file whose reading is an error, for root too.
    (tmp_path / "folder" / "cat" / "mem").symlink_to("/proc/self/mem")
    urls = [
        elsewhere.get(reason, site.url(f"/{reason}"))
        for reason in get_args(Reason)
        if reason not in ("missing-file", "licence")
    ]
    # Loopback is all that can be reached here; 10.0.0.1 stays private.
    monkeypatch.setattr(addresses, "is_public", lambda ip: ip.startswith("127."))
    (tmp_path / "others.csv").write_text(f"label,url\ncat,{site.url('/licence')}\n")
    notice = Notice(by="url", value=site.url("/forgotten"), why="asked to", at=datetime.now(UTC))
    journal.append(store, forgotten.FOLDER, notice)
    sources = (
        {**listed(cat=[*urls, *photos(2)], dog=photos(1, first=2)), "licence": "by"},
        {"type": "directory", "path": str(tmp_path / "folder"), "licence": "own"},
        {"type": "urls", "path": str(tmp_path / "others.csv")},
    )
    limits = {"max_bytes": 20_000, "max_pixels": 10_000, "timeout": 1.0}
    return sources, {"allow_private_addresses": False, "licences": ["by", "own"], **limits}


def test_every_kind_of_reject_is_counted_and_ends_nothing(every_reject, crawl):
    sources, options = every_reject
    crawled = crawl(*sources, **options)
    assert crawled.report.rejected == dict.fromkeys(get_args(Reason), 1)
    assert crawled.report.labels["cat"].rejected == crawled.report.rejected
    assert crawled.report.labels["dog"].rejected == {}
    assert set(crawled.report.examples) == set(get_args(Reason))
    assert crawled.report.examples["bad-url"] == ["http://[::1"]
    assert len(crawled.rows) == crawled.report.crawled == 3


def test_only_what_may_have_changed_is_asked_for_again(site, every_reject, crawl):
    sources, options = every_reject
    first = crawl(*sources, **options)
    site.requests.clear()
    second = crawl(*sources, **options)
    again = {request.path.strip("/") for request in site.asked()}
    assert again == {"http-error", "rate-limited", "refused", "server-error", "timeout"}
    assert not again & (FINAL | LIMITS)
    assert second.report.rejected == first.report.rejected
    site.requests.clear()
    crawled = crawl(*sources, **{**options, "max_pixels": 20_000})
    asked = {request.path.strip("/") for request in site.asked()}
    assert asked == again | LIMITS
    assert "too-many-pixels" not in crawled.report.rejected
    assert crawled.report.fetched == 1
    site.requests.clear()
    crawl(*sources, **{**options, "max_pixels": 20_000})
    assert not {request.path.strip("/") for request in site.asked()} & LIMITS


def test_what_came_back_is_kept(site, photos, crawl, listed, respond):
    cats, dogs = photos(2), photos(1, first=2)
    there = site.pages["/1.jpg"]
    site.pages["/1.jpg"] = respond(status="503 Busy")
    source = listed(cat=cats, dog=dogs)
    assert crawl(source).report.rejected == {"server-error": 1}
    site.pages["/1.jpg"] = there
    crawled = crawl(source)
    assert crawled.report.rejected == {}
    assert len(crawled.rows) == 3


def test_a_project_sees_its_own_labels_only(photos, crawl, listed):
    crawl(listed(cat=photos(2), dog=photos(2, first=2)))
    labels = {label: {"queries": [label]} for label in ("bird", "dog")}
    crawled = crawl(listed(bird=photos(3, first=4), dog=photos(2, first=2)), labels=labels)
    assert crawled.dataset.counts == {"bird": {"": 3}, "dog": {"": 2}}
    assert crawled.report.crawled == 5
    labels = {label: {"queries": [label]} for label in ("fish", "fox")}
    crawled = crawl(listed(fish=photos(1), fox=photos(1)), labels=labels)
    assert [row["label"] for row in crawled.rows] == ["fish", "fox"]


def test_too_few_images_are_an_error_and_are_kept(photos, crawl, listed, store, respond, site):
    site.pages["/none"] = respond(b"<html>")
    urls = [*photos(1, first=5), site.url("/none"), site.url("/gone"), "http://[::1"]
    crawled = crawl(listed(cat=photos(5), dog=urls))
    with pytest.raises(CorallineError, match=r"too few images: 'dog' has 1 image \(.*\)") as e:
        require_enough(_settings(min_per_label=2), crawled.report)
    for reason in ("1 not-an-image", "1 not-found", "1 bad-url"):
        assert reason in e.value.what
    assert "wanted are 2 of each label" in e.value.what
    assert e.value.where == "labels.dog"
    require_enough(_settings(min_per_label=1), crawled.report)
    assert len(crawled.rows) == 6


def _settings(**options):
    labels = {label: {"queries": [label]} for label in ("cat", "dog")}
    return CrawlSettings(labels=labels, **options)


class Watched(FileStore):
    """A store that, as a record is written, looks whether all that it names is there."""

    def put_if(self, key, data, etag):
        for shard in Record.model_validate_json(data).shards:
            with self.open(shard.key) as file:
                assert hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
        self.seen = [*getattr(self, "seen", []), key]
        return super().put_if(key, data, etag)


@pytest.fixture
def small_shards(monkeypatch):
    """A shard for every few photos."""

    class SmallShards(ledger_module.ShardWriter):
        def __init__(self, store, schema):
            super().__init__(store, schema, shard_bytes=10_000)

    monkeypatch.setattr(ledger_module, "ShardWriter", SmallShards)


def test_a_shard_is_there_before_its_record(photos, crawl, listed, tmp_path, small_shards):
    watched = Watched(tmp_path / "watched")
    crawled = crawl(listed(cat=photos(20), dog=photos(20, first=20)), into=watched)
    assert len(watched.seen) == len(crawled.dataset.shards) > 4
    named = [shard for record in records(watched) for shard in record.shards]
    assert named == list(crawled.dataset.shards)
    assert sum(shard.rows for shard in named) == len(crawled.rows) == 40


class Full(FileStore):
    """A store that takes two records and no more: a disk cannot be filled here."""

    left = 2

    def put_if(self, key, data, etag):
        self.left -= 1
        if self.left < 0:
            raise CorallineError("No space left on device", where=self.uri)
        return super().put_if(key, data, etag)


def test_a_store_that_is_full_ends_the_crawl_and_keeps_what_is_recorded(
    photos, crawl, listed, tmp_path, small_shards
):
    root = tmp_path / "full"
    source = listed(cat=photos(20), dog=photos(20, first=20))
    with pytest.raises(CorallineError, match="No space left"):
        crawl(source, into=Full(root))
    store = FileStore(root)
    kept = sum(shard.rows for record in records(store) for shard in record.shards)
    assert 0 < kept < 40
    crawled = crawl(source, into=store)
    assert crawled.report.fetched == 40 - kept
    assert len({row["sha256"] for row in crawled.rows}) == len(crawled.rows) == 40


def test_a_record_is_written_while_a_slow_site_keeps_us_waiting(
    site, photos, crawl, listed, store, monkeypatch
):
    for module in (ledger_module, visiting_module):
        monkeypatch.setattr(module, "FLUSH_SECONDS", 0.2)
    slow, *others = photos(4)
    site.delay = lambda path: 1.0 if path == "/0.jpg" else 0
    crawl(listed(cat=[slow, *others[:2]], dog=others[2:]))
    *early, last = records(store)
    assert [visit.url for record in early for visit in record.visits] == others
    assert [visit.url for visit in last.visits] == [slow]


@pytest.fixture
def noon(monkeypatch):
    """A clock that stands still: the time of fetching is in the rows, and so in the ids."""

    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 2, 12, tzinfo=tz)

    monkeypatch.setattr(fetch_module, "datetime", Noon)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_sites_give_the_same_dataset_whatever_the_network_does(
    site, photos, crawl, listed, tmp_path, noon, seed
):
    urls = photos(30)
    for copy in range(10):  # every third photo is at two addresses
        site.pages[f"/copy{copy}.jpg"] = site.pages[f"/{3 * copy}.jpg"]
    copies = [site.url(f"/copy{n}.jpg") for n in range(10)]
    mixed = random.Random(1).sample(urls + copies, 40)
    source = listed(cat=mixed[:25], dog=mixed[25:])
    expected = crawl(source, into=FileStore(tmp_path / "calm"), per_host=1)
    chance = random.Random(seed)
    site.delay = lambda _: chance.uniform(0, 0.05)
    crawled = crawl(source, into=FileStore(tmp_path / "storm"), per_host=40)
    assert crawled.rows == expected.rows
    assert crawled.dataset.id == expected.dataset.id


def test_a_slow_store_holds_the_fetching_back(site, photos, crawl, listed, photo, monkeypatch):
    waiting = []

    class SlowShards(ledger_module.ShardWriter):
        def add(self, row):
            super().add(row)
            self.added = getattr(self, "added", 0) + 1
            waiting.append(len(site.asked()) - self.added)
            time.sleep(0.005)

    monkeypatch.setattr(ledger_module, "ShardWriter", SlowShards)
    few = 10 * max(len(photo(seed)) for seed in range(200))
    monkeypatch.setattr(crawl_module, "HELD_BYTES", few)
    crawled = crawl(listed(cat=photos(100), dog=photos(100, first=100)), concurrency=4, per_host=4)
    assert len(crawled.rows) == 200
    # Ten may be held for the sake of order, as many more may wait, and four are under way.
    assert 10 < max(waiting) < 50


def test_a_record_that_cannot_be_read_is_named(photos, crawl, listed, store):
    source = listed(cat=photos(2), dog=photos(2, first=2))
    store.put("crawls/20260101T000000.0-ab.json", b"{")
    with pytest.raises(CorallineError, match="not a record of crawls") as caught:
        crawl(source)
    assert caught.value.where == "crawls/20260101T000000.0-ab.json"
