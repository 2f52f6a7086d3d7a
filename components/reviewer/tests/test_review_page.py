"""The page in a real Chromium, by its keys and by its buttons."""

import pytest
from coralline_core.corrections import corrected_crops
from playwright.sync_api import expect
from review_page import CROPS, again, card, cards, kept, press, row, said

pytestmark = pytest.mark.browser


def test_what_the_champion_doubts_is_seen_first_with_what_it_thinks(page):
    expect(card(page, 0)).to_contain_text("champion: ")
    assert page.locator(".differs").count() == 60
    assert "The champion thinks" in page.locator("#verdict").inner_text()
    expect(page.get_by_role("link", name="https://example.org/")).to_have_count(1)
    expect(page.locator("#of-licence")).to_have_text("by")
    page.wait_for_function("document.querySelector('#large').naturalWidth == 32")
    page.wait_for_function("document.querySelector('#grid img').naturalWidth == 32")


def test_keys_say_labels_and_go_on(page, shelf):
    press(page, "1", "2", "0", "Enter")
    kept(page)
    # Of each, the first four cards: blue, red, none of them, and as labelled.
    assert [label for _, label in said(shelf)][:3] == ["blue", "red", None]
    assert len(corrected_crops(shelf.store)) == 4
    expect(card(page, 2)).to_contain_text("none of them")
    expect(card(page, 3)).to_contain_text("Ada")
    expect(card(page, 4)).to_be_focused()


def test_what_was_said_is_there_when_the_page_is_loaded_again(page, shelf):
    press(page, "0")
    kept(page)
    page.locator("#seen").select_option("changed")
    expect(cards(page)).to_have_count(1)
    expect(card(page, 0)).to_contain_text("none of them")
    expect(page.locator("#place")).to_have_text("1 to 1 of 1")
    page.reload()  # the filter is in the address
    expect(cards(page)).to_have_count(1)
    expect(card(page, 0)).to_contain_text("none of them")


def test_what_was_said_stays_in_its_place_and_is_not_shown_another_day(page):
    spoken_of = row(page, 0)
    press(page, "Enter", "PageDown")
    expect(page.locator("#place")).to_have_text("61 to 120 of 160")
    press(page, "PageUp")
    expect(card(page, 0)).to_contain_text("Ada")
    assert row(page, 0) == spoken_of
    page.reload()
    expect(page.locator("#place")).to_have_text("1 to 60 of 159")
    assert row(page, 0) != spoken_of
    page.locator("#seen").select_option("all")
    expect(page.locator("#place")).to_have_text("1 to 60 of 160")


def test_those_of_none_of_the_labels_are_found(page):
    spoken_of = row(page, 0)
    press(page, "0")
    kept(page)
    page.locator("#label").select_option("none of them")
    expect(page.locator("#place")).to_have_text("1 to 1 of 1")
    assert row(page, 0) == spoken_of
    page.reload()
    expect(page.locator("#place")).to_have_text("1 to 1 of 1")
    expect(page.locator("#label")).to_have_value("none of them")


def test_when_all_were_reviewed_the_page_says_so(shelf, serve, open_page):
    shelf.put_crops(CROPS[:2])
    page = open_page(serve(shelf))
    expect(cards(page)).to_have_count(2)
    press(page, "a", "Enter")
    kept(page)
    page.reload()
    expect(page.get_by_role("heading", name="Nothing left to review")).to_be_visible()


def test_after_another_filter_keys_are_for_the_crops(page, shelf):
    page.locator("#split").focus()
    page.locator("#split").select_option("test")
    expect(page.locator("#place")).to_have_text("1 to 53 of 53")
    expect(card(page, 0)).to_be_focused()
    press(page, "0")
    kept(page)
    assert said(shelf) == [(1, None)]


def test_space_selects_several(page, shelf):
    press(page, "Space", "ArrowRight", "Space", "ArrowDown", "Space", "0")
    kept(page)
    assert said(shelf) == [(3, None)]
    assert page.locator(".out").count() == 3
    assert page.locator("[aria-selected=true]").count() == 0


def test_how_many_are_selected_is_said_until_none_is(page, shelf):
    selected = page.locator("#selected")
    press(page, "a")
    expect(selected).to_have_text("60 selected")
    press(page, "Escape")
    expect(selected).to_be_hidden()
    press(page, "A", "ArrowRight")  # with Caps Lock
    expect(selected).to_have_text("60 selected")
    card(page, 7).click()
    expect(selected).to_be_hidden()
    press(page, "0")
    kept(page)
    assert said(shelf) == [(1, None)]
    expect(card(page, 7)).to_contain_text("none of them")


def test_a_page_that_is_right_takes_two_keys(page, shelf):
    press(page, "a", "Enter")
    kept(page)
    assert sorted(said(shelf))[0][0] + sorted(said(shelf))[1][0] == 60
    assert page.locator(".heard").count() == 60


def test_the_mouse_does_as_well(page, shelf):
    card(page, 3).click()
    page.get_by_role("button", name="none of them").click()
    kept(page)
    expect(card(page, 3)).to_contain_text("none of them")
    card(page, 5).click(modifiers=["Control"])
    card(page, 8).click(modifiers=["Shift"])
    page.get_by_role("button", name="blue").click()
    kept(page)
    assert said(shelf) == [(1, None), (4, "blue")]


def test_pages(page):
    expect(page.locator("#place")).to_have_text("1 to 60 of 160")
    press(page, "PageDown", "PageDown")
    expect(page.locator("#place")).to_have_text("121 to 160 of 160")
    expect(cards(page)).to_have_count(40)
    press(page, "PageDown")
    expect(page.locator("#place")).to_have_text("121 to 160 of 160")
    page.get_by_role("button", name="Page before").click()
    expect(page.locator("#place")).to_have_text("61 to 120 of 160")


def test_question_mark_shows_the_keys(page):
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press(page, "0", "Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".out")).to_have_count(0)


def test_what_another_says_is_seen(page, server):
    row = int(card(page, 0).get_attribute("data-row"))
    server.say([row], None)
    expect(card(page, 0)).to_contain_text("none of them", timeout=15_000)


def test_no_crops_yet_and_then_some(shelf, serve, open_page):
    page = open_page(serve(shelf))
    expect(page.get_by_role("heading", name="No crops yet")).to_be_visible()
    shelf.put_crops(CROPS)
    expect(cards(page)).to_have_count(60, timeout=15_000)


def test_what_the_champion_finds_comes_first_once_it_is_done(shelf, serve, open_page):
    """For whoever has not begun; whoever has is asked."""
    shelf.put_crops([("red", "red")] * 3000 + [("red", "blue")])
    shelf.put_champion()
    server = serve(shelf)
    idle, busy = open_page(server), open_page(server)
    expect(busy.locator("#scoring")).to_contain_text("the champion looks: ")
    press(busy, "ArrowRight")
    expect(card(idle, 0)).to_have_attribute("data-row", "3000", timeout=60_000)
    expect(busy.get_by_text("The champion has looked at all crops.")).to_be_visible(timeout=15_000)
    busy.get_by_role("button", name="Show").click()
    expect(card(busy, 0)).to_have_attribute("data-row", "3000")


def test_newer_crops_are_told_and_shown_on_demand(shelf, serve, open_page):
    shelf.put_crops(CROPS[:3])
    server = serve(shelf)
    page = open_page(server)
    expect(cards(page)).to_have_count(3)
    shelf.put_crops(CROPS[:5])
    again(server, shelf, serve)  # or a minute later
    expect(page.get_by_text("There are newer crops.")).to_be_visible(timeout=15_000)
    expect(cards(page)).to_have_count(3)
    page.get_by_role("button", name="Show").click()
    expect(cards(page)).to_have_count(5)
    expect(page.get_by_text("There are newer crops.")).to_be_hidden()
    press(page, "End", "0")
    kept(page)
    expect(card(page, 4)).to_contain_text("none of them")


def test_other_peoples_text_is_text(shelf, serve, open_page):
    """Neither markup nor an address of a script."""
    nasty = "<img src=x onerror=alert(1)>"
    shelf.put_crops(CROPS[:3], page_url=lambda _: "javascript:alert(1)", creator=lambda _: nasty)
    page = open_page(serve(shelf))
    expect(page.locator("#of-creator")).to_have_text(nasty)
    expect(page.locator("#of-page")).to_have_text("javascript:alert(1)")
    expect(page.locator("#of-page a")).to_have_count(0)
