"""What `coralline forget` finds and writes down, and what runs make of it."""

import json
import re

import pytest
from coralline.upkeep.forget import find, forget, notices
from coralline_core.errors import CorallineError
from PIL import Image

DISTANCE = 6


def found(keeper, what):
    return find(keeper.store, what, DISTANCE)


def shas(images):
    return sorted({image.sha256 for image in images})


@pytest.fixture
def filled(keeping, any_address):
    keeper = keeping(any_address)
    return keeper, fill(keeper)


def fill(keeper):
    keeper.publish("cat", *range(4))
    keeper.publish("cat", 4, 5, page="http://a.org/two")
    keeper.publish("dog", *range(6, 11))
    return keeper.run()


def test_an_image_is_found_by_its_url_and_is_in_no_dataset_any_more(filled):
    keeper, _ = filled
    url, gone = keeper.url("1.jpg"), keeper.sha_of(keeper.site / "1.jpg")
    meant = found(keeper, url)
    assert (meant.by, shas(meant.images)) == (("url",), [gone])
    assert meant.images[0].label == "cat"
    report = forget(keeper.store, meant, "she asked", "Ann")
    (notice,) = notices(keeper.store)
    assert (notice.by, notice.value, notice.images) == ("url", url, (gone,))
    assert (notice.why, notice.who) == ("she asked", "Ann")
    assert report.notices == tuple(keeper.store.list("forgotten/"))
    keeper.asked.clear()
    for dataset in keeper.run():
        assert keeper.shas(dataset) == [sha for sha in keeper.shas_published() if sha != gone]
    assert "/1.jpg" not in keeper.asked


def test_the_same_image_from_elsewhere_does_not_come_back(keeper):
    fill(keeper)
    forget(keeper.store, found(keeper, keeper.url("1.jpg")), "")
    gone = keeper.publish_bytes("dog", "copy.jpg", keeper.photo(1))
    assert gone not in keeper.shas(keeper.run()[0])


def test_all_images_of_a_page_are_found(keeper):
    fill(keeper)
    meant = found(keeper, "http://a.org/two")
    assert meant.by == ("page",)
    assert shas(meant.images) == sorted(keeper.sha_of(keeper.site / f"{n}.jpg") for n in (4, 5))
    forget(keeper.store, meant, "")
    keeper.publish("cat", 20, page="http://a.org/two")
    keeper.run()
    assert "/20.jpg" not in keeper.asked


def test_an_image_that_was_seen_on_a_second_page_is_found_by_it(keeper):
    fill(keeper)
    keeper.list([*keeper.lines, ("cat", keeper.url("1.jpg"), "http://b.org/")])
    keeper.run()
    meant = found(keeper, "http://b.org/")
    assert shas(meant.images) == [keeper.sha_of(keeper.site / "1.jpg")]


def test_an_image_under_two_labels_is_found_in_both(keeper):
    fill(keeper)
    gone = keeper.publish_bytes("dog", "copy.jpg", keeper.photo(1))
    keeper.run()
    for what in (keeper.url("copy.jpg"), keeper.url("1.jpg"), gone):
        meant = found(keeper, what)
        assert {(image.label, image.url) for image in meant.images} == {
            ("cat", keeper.url("1.jpg")),
            ("dog", keeper.url("copy.jpg")),
        }
        assert "1 image (1 cat, 1 dog)" in str(forget(keeper.store, meant, "", dry_run=True))


def test_a_sha256_may_be_cut_short(keeper):
    fill(keeper)
    whole = keeper.sha_of(keeper.site / "1.jpg")
    for what in (whole, whole[:8], whole[:9].upper()):
        meant = found(keeper, what)
        assert (meant.by, meant.value, shas(meant.images)) == (("sha256",), whole, [whole])


def test_the_sha256_of_a_crop_means_its_photo(filled):
    keeper, datasets = filled
    crops = next(one for one in datasets if one.kind == "crops")
    crop = next(crops.iter_rows(keeper.store, ["sha256", "source_sha256"]))
    for what in (crop["sha256"], crop["sha256"][:12]):
        meant = found(keeper, what)
        assert meant.value == crop["source_sha256"]
        assert shas(meant.images) == [crop["source_sha256"]]


def test_digits_of_no_image_or_of_several_are_an_error(keeper, monkeypatch):
    fill(keeper)
    with pytest.raises(CorallineError, match=r"the sha256 of no image begins so\. Give all 64"):
        found(keeper, "0123456789")
    with pytest.raises(CorallineError, match="neither a URL nor the beginning of a sha256"):
        found(keeper, "abc")
    monkeypatch.setattr("coralline.upkeep.forget._DIGITS", re.compile("[0-9a-f]*"))
    with pytest.raises(CorallineError, match=r"the sha256 of 11 images begins so: .*Give more"):
        found(keeper, "")


def test_what_the_store_does_not_know_is_never_fetched(keeper):
    unknown = "ab" * 32
    url = keeper.url("1.jpg")
    for what, by in ((url, ("url", "page")), (unknown, ("sha256",))):
        meant = found(keeper, what)
        assert (meant.by, meant.images) == (by, ())
        report = forget(keeper.store, meant, "")
        assert len(report.notices) == len(by)
        assert "no image in the store" in str(report)
    fill(keeper)
    assert "/1.jpg" not in keeper.asked
    assert "/2.jpg" in keeper.asked


def test_images_that_look_the_same_are_shown_and_taken_along_if_wanted(keeper):
    fill(keeper)
    with Image.open(keeper.site / "1.jpg") as photo:
        large = photo.resize((192, 144), Image.Resampling.LANCZOS)
    large.save(keeper.site / "large.jpg", quality=80)
    twin = keeper.publish_bytes("cat", "large.jpg", (keeper.site / "large.jpg").read_bytes())
    keeper.run()
    original = keeper.sha_of(keeper.site / "1.jpg")
    meant = found(keeper, keeper.url("1.jpg"))
    assert shas(meant.images) == [original]
    assert shas(meant.near_duplicates) == [twin]
    said = str(forget(keeper.store, meant, "", dry_run=True))
    assert "looks the same: 1 image (1 cat); to take them along: --near-duplicates" in said
    forget(keeper.store, meant, "")
    assert twin in keeper.shas(keeper.crawl())
    forget(keeper.store, meant, "", near_duplicates=True)
    assert twin not in keeper.shas(keeper.crawl())


def test_forgotten_twice_is_written_once(keeper):
    fill(keeper)
    meant = found(keeper, keeper.url("1.jpg"))
    assert len(forget(keeper.store, meant, "one").notices) == 1
    again = forget(keeper.store, meant, "two")
    assert again.notices == ()
    assert "it was forgotten before" in str(again)
    assert [notice.why for notice in notices(keeper.store)] == ["one"]


def test_the_command_shows_records_and_lists(keeper):
    fill(keeper)
    url, sha256 = keeper.url("1.jpg"), keeper.sha_of(keeper.site / "1.jpg")
    code, printed, errors = keeper.command("forget", "p.yaml", url, "--dry-run")
    assert code == 0, errors
    assert printed.splitlines() == [
        f"{url}: 1 image (1 cat)",
        f"  {sha256[:12]}  cat  {url}",
        "nothing was changed",
    ]
    assert list(keeper.store.list("forgotten/")) == []
    code, _, errors = keeper.command("forget", "p.yaml", url)
    assert code == 2
    assert "--why" in errors
    code, printed, _ = keeper.command("forget", "p.yaml", url, "--why", "she asked", "--json")
    assert code == 0
    assert json.loads(printed)["meant"]["images"][0]["sha256"] == sha256
    code, printed, _ = keeper.command("forget", "p.yaml", "--list")
    assert code == 0
    assert f"url     {url}  (1 image)  she asked" in printed
    code, printed, _ = keeper.command("forget", "p.yaml", "--list", "--json")
    assert [notice["value"] for notice in json.loads(printed)] == [url]
