"""Images that people already have, taken in."""

import pytest
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_crawler.candidate import Candidate
from coralline_crawler.settings import CrawlSettings
from coralline_crawler.take_in import take_in

LABELS = {"cat": {"queries": ["a cat"]}, "dog": {"queries": ["a dog"]}}


@pytest.fixture
def files(tmp_path, photo):
    def files(label, count, first=0, **more):
        found = []
        for seed in range(first, first + count):
            path = tmp_path / f"{label}-{seed}.jpg"
            path.write_bytes(photo(seed))
            found.append(Candidate(path.as_uri(), label, "", "mine", path=path, **more))
        return found

    return files


@pytest.fixture
def take(store):
    def take(candidates, **options):
        settings = CrawlSettings(labels=LABELS, allow_private_addresses=True, **options)
        return take_in(settings, iter(candidates), store, Progress.silent())

    return take


def test_what_is_taken_in_belongs_to_the_project(take, files, crawl, listed, photos):
    more = {"licence": "own", "creator": "Zoë", "group": "g"}
    report = take([*files("cat", 3, **more), *files("dog", 2, first=3)])
    assert (report.kept, report.known, report.rejected) == (5, 0, {})
    source = listed(cat=photos(1, first=8), dog=photos(1, first=9))
    for _ in range(2):
        crawled = crawl(source)
        assert crawled.dataset.counts == {"cat": {"": 4}, "dog": {"": 3}}
        assert crawled.report.sources == {"import": 5, "urls": 2}
        assert crawled.report.fetched in (2, 0)
    row = crawled.rows[0]
    assert (row["source"], row["licence"], row["creator"], row["group"]) == (
        "import",
        "own",
        "Zoë",
        "g",
    )
    labels = {"cat": {"queries": ["x"]}, "bird": {"queries": ["y"]}}
    source = listed(cat=photos(1, first=8), bird=photos(1, first=9))
    assert crawl(source, labels=labels).dataset.counts == {"cat": {"": 4}, "bird": {"": 1}}


def test_a_project_of_imports_alone_needs_no_source(take, files, crawl):
    with pytest.raises(CorallineError, match=r"labels.cat: there is no image of it in the store"):
        crawl()
    take([*files("cat", 3), *files("dog", 2, first=3)])
    assert crawl().dataset.counts == {"cat": {"": 3}, "dog": {"": 2}}


def test_taken_in_twice_it_is_known(take, files, store):
    take(files("cat", 3))
    shards = list(store.list("shards/"))
    report = take([*files("cat", 3), *files("cat", 1)])
    assert (report.kept, report.known) == (0, 3)
    assert list(store.list("shards/")) == shards


def test_rejects_are_counted_and_end_nothing(take, files, tmp_path):
    cats = files("cat", 4)
    cats[1].path.write_bytes(b"<html>")
    cats[2].path.unlink()
    report = take(cats)
    assert report.rejected == {"not-an-image": 1, "missing-file": 1}
    assert report.examples["not-an-image"] == [cats[1].url]
    assert (report.kept, report.known) == (2, 0)
    again = take(cats)
    assert (again.kept, again.known) == (0, 2)
    assert (again.rejected, again.examples) == (report.rejected, report.examples)
    report = take(files("cat", 1, first=7), licences=["by"])
    assert report.rejected == {"licence": 1}


def test_a_label_that_the_project_does_not_have_is_an_error(take, files):
    with pytest.raises(CorallineError, match="'bird' is not a label of the project"):
        take(files("bird", 1))


def test_what_a_crawl_found_first_is_the_projects_by_import_too(
    take, photos, crawl, searched, site, tmp_path, photo
):
    cats, dogs = photos(1), photos(1, first=1)
    crawl(searched(cat=cats, dog=dogs))
    path = tmp_path / "cat.jpg"
    path.write_bytes(photo(0))
    report = take([Candidate(cats[0], "cat", "", "", path=path)])
    assert (report.kept, report.known) == (0, 1)
    labels = {"cat": {"queries": ["other"]}, "dog": {"queries": ["a dog"]}}
    crawled = crawl(searched(other=photos(1, first=2), dog=dogs), labels=labels)
    assert crawled.dataset.counts == {"cat": {"": 2}, "dog": {"": 1}}


def test_imported_images_are_not_looked_at_again(
    take, photos, crawl, listed, site, photo, tmp_path
):
    path = tmp_path / "cat.jpg"
    path.write_bytes(photo(7))
    take([Candidate(site.url("/7.jpg"), "cat", "", "", path=path)])
    source = listed(cat=photos(1), dog=photos(1, first=1))
    crawl(source)
    crawled = crawl(source, refetch_after_days=1e-9)
    assert crawled.report.again == {"unchanged": 2}
    assert site.asked("/7.jpg") == []
