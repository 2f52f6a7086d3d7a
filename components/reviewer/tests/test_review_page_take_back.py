"""What the page takes back, at once or from its history."""

import pytest
from playwright.sync_api import expect
from review_page import (
    CROPS,
    again,
    card,
    cards,
    counting,
    history,
    kept,
    lose,
    press,
    row,
    said,
    taken_back,
)

pytestmark = pytest.mark.browser


def test_u_takes_back_what_was_said_last(page, shelf):
    before = card(page, 0).locator(".label").inner_text()
    press(page, "0", "u")
    expect(card(page, 0)).to_be_focused()
    kept(page)
    expect(card(page, 0).locator(".label")).to_have_text(before)
    expect(card(page, 0).locator(".heard")).to_have_count(0)
    assert (said(shelf), taken_back(shelf), counting(shelf)) == ([(1, None)], 1, [])


def test_u_goes_on_back_wherever_one_has_gone(page, shelf):
    press(page, "0", "1", "2", "End", "u", "u")
    kept(page)
    expect(card(page, 1)).to_be_focused()
    assert counting(shelf) == [None]
    press(page, "u", "u")
    expect(page.locator("#note")).to_contain_text("Nothing to take back here")
    expect(card(page, 0)).to_be_focused()
    kept(page)
    assert (counting(shelf), taken_back(shelf)) == ([], 3)


def test_one_u_takes_back_all_of_one_act(page, shelf):
    press(page, "a", "Enter", "u")  # of both labels
    kept(page)
    assert (len(said(shelf)), taken_back(shelf), counting(shelf)) == (2, 2, [])
    expect(page.locator(".heard")).to_have_count(0)


def test_u_is_for_what_is_still_being_kept_too(page, shelf):
    held = []
    page.route("**/api/say", lambda route: held.append(route), times=1)
    press(page, "0", "u")
    expect(card(page, 0)).to_contain_text("taking back")
    press(page, "End", "ArrowLeft")
    held[0].continue_()
    kept(page)
    expect(card(page, 58)).to_be_focused()  # it has not moved later
    assert (said(shelf), counting(shelf)) == ([(1, None)], [])


def test_u_takes_back_what_another_said_and_says_whose(page, server, shelf):
    server.say([row(page, 0)], None)
    expect(card(page, 0)).to_contain_text("none of them", timeout=15_000)
    press(page, "u")
    expect(page.locator("#note")).to_contain_text("said by Ada")
    kept(page)
    expect(card(page, 0)).not_to_contain_text("none of them")
    assert counting(shelf) == []


def test_two_tabs_see_what_either_says_and_takes_back(server, open_page, shelf):
    one, other = open_page(server), open_page(server)
    expect(cards(other)).to_have_count(60)
    press(one, "0")
    expect(card(other, 0)).to_contain_text("none of them", timeout=15_000)
    press(other, "u")
    kept(other)
    expect(card(one, 0)).not_to_contain_text("none of them", timeout=15_000)
    assert counting(shelf) == []


def test_of_what_was_written_though_no_answer_came_nothing_counts_when_it_is_taken_back(
    page, shelf
):
    lose(page, "**/api/say", answers=True)
    press(page, "0")
    expect(card(page, 0)).to_contain_text("not kept: ")
    assert counting(shelf) == [None]
    press(page, "u")
    kept(page)
    assert counting(shelf) == []
    expect(card(page, 0)).not_to_contain_text("none of them")


def test_what_could_not_be_taken_back_is_marked_and_tried_again(page, shelf):
    press(page, "0")
    kept(page)
    lose(page, "**/api/take-back")
    press(page, "u")
    expect(card(page, 0)).to_contain_text("not taken back: the server does not answer")
    expect(page.locator("#saving")).to_contain_text("1 could not be taken back")
    press(page, "r")
    kept(page)
    assert counting(shelf) == []


def test_u_after_newer_crops_have_come(page, server, shelf, serve):
    """By another server, and a list in which the crop is elsewhere."""
    press(page, "0")
    kept(page)
    shelf.put_crops([("red", "blue"), *CROPS], box=lambda _: [10, 20, 31, 31])
    again(server, shelf, serve)
    expect(page.get_by_text("There are newer crops.")).to_be_visible(timeout=15_000)
    press(page, "u")
    kept(page)
    assert (said(shelf), counting(shelf)) == ([(1, None)], [])


def test_the_history_has_what_was_said_last_and_takes_it_back(page, shelf):
    press(page, "1", "Space", "ArrowRight", "Space", "0")
    kept(page)
    press(page, "h")
    acts = history(page).get_by_role("listitem")
    expect(acts).to_have_count(2)
    expect(acts.nth(0)).to_contain_text("none of them: left out")
    expect(acts.nth(0)).to_contain_text("of 2 crops by Ada")
    expect(acts.nth(0).locator("img")).to_have_count(2)
    page.wait_for_function("document.querySelector('#acts img').naturalWidth == 32")
    acts.nth(0).get_by_role("button", name="take back").click()
    expect(acts).to_have_count(1)
    expect(acts.nth(0).get_by_role("button")).to_be_focused()
    assert counting(shelf) == ["blue"]
    press(page, "Escape")
    expect(history(page)).to_be_hidden()
    expect(page.locator(".out")).to_have_count(0)
    press(page, "u")  # what is left to take back, not what has been
    kept(page)
    assert counting(shelf) == []
    page.get_by_role("button", name="history").click()
    expect(history(page)).to_contain_text("Nothing was said yet.")


def test_the_history_brings_back_what_an_earlier_run_has_left_out(page, server, shelf, serve):
    out = row(page, 0)
    press(page, "0")
    kept(page)
    photos = [crop["photo"] for crop in server.crops(*range(len(CROPS)))]
    for all_of in (left := CROPS.copy()), photos:
        del all_of[out]
    shelf.put_crops(left, source_sha256=photos.__getitem__)
    again(server, shelf, serve).ready()
    page.reload()
    expect(page.locator("#place")).to_have_text("1 to 60 of 159")
    press(page, "h")
    acts = history(page).get_by_role("listitem")
    expect(acts).to_have_count(1)
    expect(acts.locator("img")).to_have_count(0)  # it is in no list
    press(page, "Escape", "u")  # of the crop one is at nothing was said
    expect(page.locator("#note")).to_contain_text("h shows all that was said")
    press(page, "h")
    acts.get_by_role("button", name="take back").click()
    expect(acts).to_have_count(0)
    assert counting(shelf) == []


def test_the_history_says_what_it_could_not_take_back(page, shelf):
    press(page, "0")
    kept(page)
    press(page, "h")
    lose(page, "**/api/take-back")
    history(page).get_by_role("button", name="take back").click()
    expect(history(page)).to_contain_text("not taken back: the server does not answer")
    history(page).get_by_role("button", name="try again").click()
    expect(history(page).get_by_role("listitem")).to_have_count(0)
    assert counting(shelf) == []
