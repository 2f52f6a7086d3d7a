"""Which licences a project takes, however a source writes them."""

import pytest
from coralline_crawler.licences import Allowed, family

WRITTEN = {
    "by": [
        "by",
        "BY",
        "by 2.0",
        "CC BY",
        "cc-by-2.0",
        "CC BY 3.0 DE",
        "CC_BY_4.0",
        "https://creativecommons.org/licenses/by/2.0/",
        "http://www.creativecommons.org/licenses/by/3.0/de/deed.en",
        "creativecommons.org/licenses/by/4.0",
        "Creative Commons Attribution 4.0 International",
        "Attribution",
    ],
    "by-sa": ["by-sa 4.0", "CC BY-SA", "cc-by-sa-3.0", "Attribution-ShareAlike 2.0 Generic"],
    "by-nc-nd": [
        "by-nc-nd",
        "CC BY-NC-ND 2.0",
        "https://creativecommons.org/licenses/by-nc-nd/2.0/jp/",
        "Attribution-NonCommercial-NoDerivs 2.0",
    ],
    "cc0": [
        "cc0",
        "CC0 1.0",
        "cc0-1.0",
        "CC Zero",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ],
    "pdm": [
        "pdm",
        "pdm 1.0",
        "Public Domain",
        "Public Domain Mark 1.0",
        "https://creativecommons.org/publicdomain/mark/1.0/",
    ],
    "own": ["own", "Own", " own "],
    "gpl 2.0": ["GPL 2.0"],
    "research-use": ["research-use"],
}


@pytest.mark.parametrize(
    ("written", "meant"), [(text, name) for name, texts in WRITTEN.items() for text in texts]
)
def test_a_licence_is_known_however_it_is_written(written, meant):
    assert family(written) == meant
    assert family(meant) == meant


def test_what_is_more_than_one_licence_or_none_is_not_taken_for_one():
    allowed = Allowed(["by"])
    others = (
        "",
        None,
        "by-sa",
        "by-nc",
        "standby",
        "by someone",
        "all rights reserved",
        "nc",
        "sa",
    )
    assert [text for text in others if text in allowed] == []
    assert all(text in Allowed([]) for text in others)


def works(urls, *licences):
    return [{"url": url, "license": licence} for url, licence in zip(urls, licences, strict=True)]


def test_what_is_not_allowed_is_not_fetched_until_it_is(site, photos, crawl, searched):
    cats, dogs = photos(4), photos(1, first=4)
    source = searched(cat=works(cats, "by", "by-nc", None, "cc0"), dog=works(dogs, "cc0"))
    crawled = crawl(source, licences=["CC BY 2.0", "cc0"])
    asked = {request.path for request in site.asked()}
    assert asked == {"/v1/images/", "/0.jpg", "/3.jpg", "/4.jpg"}
    assert crawled.report.rejected == {"licence": 2}
    assert crawled.report.examples == {"licence": [cats[2], cats[1]]}
    assert crawled.report.licences == {"cc0": 2, "by": 1}
    # The search has moved on, and begins again only in the crawl after the next.
    searched(dog=works(dogs, "cc0"))
    more = crawl(source, licences=["by", "by-nc", "cc0"])
    assert more.report.rejected == {"licence": 1}
    assert {row["image_url"] for row in more.rows} == {cats[0], cats[1], cats[3], dogs[0]}
    assert len(crawl(source).rows) == 5


def test_what_is_kept_and_not_allowed_any_more_is_not_in_the_dataset(site, photos, crawl, searched):
    cats, dogs = photos(2), photos(1, first=2)
    source = searched(cat=works(cats, "by", "by-nc"), dog=works(dogs, "by"))
    first = crawl(source)
    site.requests.clear()
    strict = crawl(source, licences=["by"])
    assert [row["image_url"] for row in strict.rows] == [cats[0], dogs[0]]
    assert strict.report.rejected == {"licence": 1}
    again = crawl(source)
    assert {row["sha256"] for row in again.rows} == {row["sha256"] for row in first.rows}
    assert {request.path for request in site.asked()} == {"/v1/images/"}


def test_an_image_that_is_at_an_allowed_url_too_is_attributed_to_that_one(
    site, photos, crawl, searched, store
):
    cats, dogs = photos(2), photos(2, first=4)
    site.pages["/again.jpg"] = site.pages["/0.jpg"]
    again = {"url": site.url("/again.jpg"), "license": "by", "creator": "Ann"}
    again["foreign_landing_url"] = "https://photos.test/ann"
    other = {"url": cats[0], "license": "by-nc", "creator": "Bob"}
    dog = [{"url": url, "license": "by", "creator": "Carl"} for url in dogs]
    source = searched(cat=[other, *works(cats[1:], "by"), again], dog=dog)
    before = crawl(source)
    assert {row["creator"] for row in before.rows} == {"Bob", None, "Carl"}
    site.requests.clear()
    told = ("image_url", "page_url", "creator", "licence")
    for _ in range(2):
        strict = crawl(source, licences=["by"])
        rows = {row["sha256"]: row for row in strict.rows}
        assert len(rows) == len(strict.rows) == 4
        assert strict.report.licences == {"by": 4}
        moved = rows[before.rows[0]["sha256"]]
        assert [moved[name] for name in told] == [
            *(again["url"], again["foreign_landing_url"], "Ann", "by")
        ]
        for row in before.rows[1:]:
            assert rows[row["sha256"]] == row
    records = list(store.list("crawls/"))
    crawl(source, licences=["by"])
    replacing = [key for key in records if b'"replaces":["' in store.get(key).data]
    assert len(replacing) == 1
    assert {request.path for request in site.asked()} == {"/v1/images/"}
    for key in list(store.list("index/")):
        store.delete(key)
    assert crawl(source, licences=["by"]).dataset.id == strict.dataset.id


def test_a_folder_of_ones_own_pictures_says_its_licence(crawl, tmp_path, photo):
    for seed, name in enumerate(("cat/1.jpg", "dog/1.jpg")):
        (tmp_path / "mine" / name).parent.mkdir(parents=True)
        (tmp_path / "mine" / name).write_bytes(photo(seed))
    source = {"type": "directory", "path": str(tmp_path / "mine")}
    assert crawl(source, licences=["own"]).report.rejected == {"licence": 2}
    crawled = crawl({**source, "licence": "own"}, licences=["own"])
    assert crawled.report.rejected == {}
    assert [row["licence"] for row in crawled.rows] == ["own", "own"]


def test_what_is_said_of_a_folder_later_counts(crawl, tmp_path, photo):
    for seed, name in enumerate(("cat/1.jpg", "dog/1.jpg")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(photo(seed))
    source = {"type": "directory", "path": str(tmp_path)}
    crawl(source)
    assert crawl(source, licences=["own"]).rows == []
    crawled = crawl({**source, "licence": "own"}, licences=["own"])
    assert len(crawled.rows) == 2
    assert crawled.report.licences == {"own": 2}


def test_lines_of_a_list_have_a_licence_of_their_own_or_the_lists(photos, crawl, tmp_path):
    one, two, three = photos(3)
    path = tmp_path / "urls.csv"
    path.write_text(f"label,url,licence\ncat,{one},by-nc\ncat,{two},\ndog,{three},by\n")
    crawled = crawl({"type": "urls", "path": str(path), "licence": "by"}, licences=["by"])
    assert [row["image_url"] for row in crawled.rows] == [two, three]
    assert crawled.report.rejected == {"licence": 1}
