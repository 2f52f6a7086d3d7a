"""The page in a real Chromium, by its keys and by its buttons."""

import os
import shutil

import pytest
from coralline_core.corrections import FOLDER, Correction, corrected_crops
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.browser

CROPS = [("red", "red"), ("red", "blue"), ("blue", "blue"), ("blue", "red")] * 40
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def chromium():
    """This machine's Chromium, or the one that `playwright install chromium` brings."""
    here = next(filter(None, map(shutil.which, NAMES)), None)
    # As root, as in a container, Chromium has no sandbox of its own.
    options = {"executable_path": here, "chromium_sandbox": os.geteuid() != 0}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens pages; at the end none may have had an error of its own."""
    contexts, errors = [], []

    def open_page(server, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda said: "Content Security" in said.text and errors.append(said.text),
        )
        page.goto(server.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def server(shelf, serve):
    shelf.put_crops(CROPS)
    shelf.put_champion()
    server = serve(shelf, "--who", "Ada")
    server.ready()
    return server


@pytest.fixture
def page(server, open_page):
    page = open_page(server)
    expect(cards(page)).to_have_count(60)
    return page


def cards(page):
    return page.get_by_role("listbox", name="Crops").get_by_role("option")


def card(page, number):
    return cards(page).nth(number)


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def labels(shelf):
    """What was said, by crop, in order of time."""
    keys = [*shelf.store.list(FOLDER)]
    said = [Correction.model_validate_json(shelf.store.get(key).data) for key in keys]
    return [(len(one.crops), one.label) for one in said]


def kept(page):
    expect(page.locator("#saving")).to_be_empty()


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
    assert [label for _, label in labels(shelf)][:3] == ["blue", "red", None]
    assert len(corrected_crops(shelf.store)) == 4
    expect(card(page, 2)).to_contain_text("none of them")
    expect(card(page, 3)).to_contain_text("Ada")
    expect(card(page, 4)).to_be_focused()


def test_what_was_said_is_there_when_the_page_is_loaded_again(page, shelf):
    press(page, "0")
    kept(page)
    page.reload()
    expect(card(page, 0)).to_contain_text("none of them")
    page.locator("#seen").select_option("changed")
    expect(cards(page)).to_have_count(1)
    expect(page.locator("#place")).to_have_text("1 to 1 of 1")
    page.reload()  # the filter is in the address
    expect(cards(page)).to_have_count(1)


def test_u_takes_back_what_was_said_last(page, shelf):
    before = card(page, 0).locator(".label").inner_text()
    press(page, "0", "u")
    kept(page)
    assert labels(shelf) == [(1, None), (1, before)]
    expect(card(page, 0).locator(".label")).to_have_text(before)
    expect(card(page, 0)).to_be_focused()
    press(page, "u")  # and again: it is as it was said
    kept(page)
    assert labels(shelf)[-1] == (1, None)


def test_u_goes_by_where_one_is(page, shelf):
    press(page, "0", "ArrowRight", "u")
    kept(page)
    assert labels(shelf) == [(1, None)]  # nothing was said of that crop
    press(page, "Home", "u")
    kept(page)
    assert len(labels(shelf)) == 2


def test_space_selects_several(page, shelf):
    press(page, "Space", "ArrowRight", "Space", "ArrowDown", "Space", "0")
    kept(page)
    assert labels(shelf) == [(3, None)]
    assert page.locator(".out").count() == 3
    assert page.locator("[aria-selected=true]").count() == 0


def test_a_page_that_is_right_takes_two_keys(page, shelf):
    press(page, "a", "Enter")
    kept(page)
    assert sorted(labels(shelf))[0][0] + sorted(labels(shelf))[1][0] == 60
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
    assert labels(shelf) == [(1, None), (4, "blue")]


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
    assert labels(shelf) == [(1, None), (1, None)]


def test_of_what_could_not_be_kept_nothing_is_said_when_it_is_taken_back(page, shelf, tmp_path):
    way = tmp_path / "store" / "corrections"
    way.write_text("in the way")
    press(page, "0")
    expect(card(page, 0)).to_contain_text("not kept: ")
    press(page, "u")
    kept(page)
    expect(page.locator(".failed")).to_have_count(0)
    way.unlink()
    assert labels(shelf) == []


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
    page = open_page(serve(shelf))
    expect(cards(page)).to_have_count(3)
    # What the server says when it has found newer ones; it looks but once a minute.
    page.route("**/api/state", lambda route: _with_another_dataset(route))
    expect(page.get_by_text("There are newer crops.")).to_be_visible(timeout=15_000)
    page.unroute_all()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("There are newer crops.")).to_be_hidden()


def _with_another_dataset(route):
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "dataset": "0" * 16})


def test_other_peoples_text_is_text(shelf, serve, open_page):
    """Neither markup nor an address of a script."""
    nasty = "<img src=x onerror=alert(1)>"
    shelf.put_crops(CROPS[:3], page_url=lambda _: "javascript:alert(1)", creator=lambda _: nasty)
    page = open_page(serve(shelf))
    expect(page.locator("#of-creator")).to_have_text(nasty)
    expect(page.locator("#of-page")).to_have_text("javascript:alert(1)")
    expect(page.locator("#of-page a")).to_have_count(0)


def test_on_a_phone_nothing_is_cut_off(server, open_page):
    page = open_page(server, viewport={"width": 360, "height": 740}, has_touch=True)
    expect(cards(page)).to_have_count(60)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    card(page, 1).tap()
    page.get_by_role("button", name="none of them").tap()
    expect(page.locator("#saving")).to_be_empty()
    expect(card(page, 1)).to_contain_text("none of them")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_easily(server, open_page, scheme):
    """Contrast of 4.5 to 1 and more, as WCAG 2.2 asks for (1.4.3, level AA)."""
    page = open_page(server, color_scheme=scheme)
    expect(cards(page)).to_have_count(60)
    press(page, "0")
    kept(page)
    low = page.evaluate(CONTRASTS)
    assert low == []


CONTRASTS = """
() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255).map(
      (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
  };
  const low = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !node.checkVisibility() || node.matches(":disabled")) continue;
    const pair = [rgb(getComputedStyle(node).color), behind(node)].map(light).sort();
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) low.push([node.className || node.localName, contrast]);
  }
  return low;
}
"""
