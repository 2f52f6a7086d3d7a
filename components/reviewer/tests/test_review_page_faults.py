"""The page where crops do not come, and where what is said cannot be kept."""

from datetime import UTC, datetime

import pytest
from coralline_core import forgotten, journal
from playwright.sync_api import expect
from review_page import card, cards, kept, lose, posts, press, row, said

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("way", ["a page on", "another filter"])
def test_while_other_crops_are_on_their_way_no_key_says_anything(page, way):
    sent, held = posts(page), []
    page.route("**/api/crops*", lambda route: held.append(route), times=1)
    if way == "a page on":
        press(page, "PageDown")
    else:
        other = "test" if page.locator("#of-split").inner_text() == "train" else "train"
        page.locator("#split").select_option(other)
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "true")
    press(page, "0", "1", "Enter", "u")
    page.get_by_role("button", name="blue").click()
    expect(page.locator("#note")).to_contain_text("nothing was said")
    before = row(page, 0)
    page.wait_for_timeout(100)
    assert sent == []
    held[0].continue_()
    expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
    assert row(page, 0) != before
    press(page, "0")
    kept(page)
    assert [message["rows"] for _, message in sent] == [[row(page, 0)]]


@pytest.mark.parametrize(
    ("way", "lost"),
    [("a page on", "crops"), ("another filter", "crops"), ("another filter", "list")],
)
def test_where_other_crops_do_not_come_those_on_the_screen_are_spoken_of(page, way, lost):
    sent, seen, place = posts(page), row(page, 0), page.locator("#place").inner_text()
    lose(page, f"**/api/{lost}*")
    if way == "a page on":
        press(page, "PageDown")
    else:
        page.locator("#split").select_option("train")
    expect(page.get_by_role("alert")).to_contain_text("the server does not answer")
    assert page.locator("#place").inner_text() == place
    expect(page.locator("#split")).to_have_value("")
    press(page, "Home", "0")
    kept(page)
    expect(card(page, 0)).to_contain_text("none of them")
    assert [message["rows"] for _, message in sent] == [[seen]]
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_server_that_does_not_answer_is_asked_again(server, open_page):
    page = open_page(server, hurried=True)
    expect(cards(page)).to_have_count(60)
    held = []
    page.route("**/api/state", lambda route: held.append(route), times=1)
    expect(page.get_by_role("alert")).to_contain_text("the server does not answer", timeout=15_000)
    expect(page.get_by_role("alert")).to_be_hidden(timeout=15_000)
    assert len(held) == 1
    press(page, "0")
    kept(page)
    # As long as the server tries to reach the store, and some; what is read, shorter.
    assert page.evaluate("Math.max(...limits)") == 150_000
    assert page.evaluate("Math.min(...limits)") == 15_000


def test_what_could_not_be_kept_is_marked_and_tried_again(page, shelf, tmp_path):
    way = tmp_path / "store" / "corrections"
    way.write_text("in the way")
    press(page, "0", "0")
    expect(card(page, 0)).to_contain_text("not kept: ")
    expect(page.locator("#saving")).to_contain_text("2 could not be kept")
    way.unlink()
    card(page, 0).get_by_role("button", name="try again").click()
    expect(page.locator("#saving")).to_contain_text("1 could not be kept")
    press(page, "r")
    kept(page)
    assert said(shelf) == [(1, None), (1, None)]


def test_of_what_could_not_be_kept_nothing_is_said_when_it_is_taken_back(page, shelf, tmp_path):
    way = tmp_path / "store" / "corrections"
    way.write_text("in the way")
    press(page, "0")
    expect(card(page, 0)).to_contain_text("not kept: ")
    press(page, "u")
    kept(page)
    expect(page.locator("#grid .failed")).to_have_count(0)
    way.unlink()
    assert said(shelf) == []


@pytest.mark.parametrize("answers", [False, True])
def test_what_is_tried_again_is_the_same_act(page, shelf, answers):
    """Whether the request was lost or the answer: it is written once, as it was said."""
    sent = posts(page)
    lose(page, "**/api/say", answers)
    press(page, "Space", "ArrowRight", "Space", "ArrowRight", "Space", "0")
    expect(page.locator("#saving")).to_contain_text("3 could not be kept")
    press(page, "r")
    kept(page)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert said(shelf) == [(3, None)]


def test_what_is_tried_again_does_not_count_for_what_was_said_later(page, shelf):
    sent = posts(page)
    lose(page, "**/api/say")
    press(page, "Space", "ArrowRight", "Space", "0")
    expect(page.locator("#saving")).to_contain_text("2 could not be kept")
    press(page, "Home", "1")
    expect(page.locator("#saving")).to_contain_text("1 could not be kept")
    press(page, "r")
    kept(page)
    assert sent[2][1] == {**sent[0][1], "rows": [row(page, 1)]}
    expect(card(page, 0).locator(".label")).to_contain_text("blue")
    assert said(shelf) == [(1, "blue"), (1, None)]


def test_a_crop_that_is_forgotten_meanwhile_is_gone_and_takes_no_label(page, server, shelf):
    sent = posts(page)
    for crop in server.crops(row(page, 0), row(page, 2)):
        now = datetime.now(UTC)
        notice = forgotten.Notice(by="sha256", value=crop["photo"], why="asked", at=now)
        journal.append(shelf.store, forgotten.FOLDER, notice)
    server.state(lambda _: server.crops(row(page, 0), row(page, 2)) == [])
    press(page, "0")
    expect(card(page, 0)).to_contain_text("gone")
    kept(page)
    assert said(shelf) == []
    assert len(sent) == 1
    press(page, "Home", "0")
    expect(page.locator("#verdict")).to_contain_text("This crop is gone")
    expect(page.locator("#note")).to_contain_text("It is gone")
    assert len(sent) == 1
    press(page, "a", "1")
    kept(page)
    expect(card(page, 2)).to_contain_text("gone")
    assert said(shelf) == [(58, "blue")]


def test_a_server_that_is_gone_is_said_and_nothing_counts_as_kept(page, server):
    server.stop()
    press(page, "0")
    expect(card(page, 0)).to_contain_text("not kept: the server does not answer")
    gone = "the server does not answer"
    expect(page.get_by_role("alert")).to_contain_text(gone, timeout=15_000)


def test_a_page_with_something_not_kept_asks_before_it_closes(page, server):
    server.stop()
    press(page, "0")
    expect(card(page, 0)).to_contain_text("not kept")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.close(run_before_unload=True)
    page.wait_for_event("close")
    assert asked == ["beforeunload"]
