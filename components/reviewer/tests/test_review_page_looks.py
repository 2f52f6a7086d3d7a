"""How the page looks: on a phone, in the dark, with all that can be amiss."""

import pytest
from playwright.sync_api import expect
from review_page import card, cards, history, kept, press, said

pytestmark = pytest.mark.browser


PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def test_on_a_phone_nothing_is_cut_off(server, open_page):
    page = open_page(server, **PHONE)
    expect(cards(page)).to_have_count(60)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    card(page, 1).tap()
    page.get_by_role("button", name="none of them").tap()
    kept(page)
    expect(card(page, 1)).to_contain_text("none of them")


def test_on_a_phone_a_mark_selects(server, open_page, shelf):
    page = open_page(server, **PHONE)
    for number in (0, 2, 4):
        page.get_by_role("button", name=f"Select crop {number + 1}", exact=True).tap()
    expect(page.locator("#selected")).to_have_text("3 selected")
    page.get_by_role("button", name="none of them").tap()
    kept(page)
    assert said(shelf) == [(3, None)]


def test_on_a_phone_the_longest_errors_fit(server, open_page):
    page = open_page(server, **PHONE)
    expect(cards(page)).to_have_count(60)
    amiss(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    press(page, "h")
    expect(history(page)).to_be_visible()
    assert page.evaluate("document.querySelector('#past').scrollWidth") <= 360


@pytest.mark.parametrize("screen", [PHONE, {"viewport": {"width": 1100, "height": 600}}])
def test_the_card_that_one_is_at_is_never_covered(server, open_page, screen):
    page = open_page(server, **screen)
    expect(cards(page)).to_have_count(60)
    press(page, "0")  # a line more in the footer, or a word on the card
    for key in ["ArrowDown"] * 6 + ["End", "ArrowUp", "ArrowUp", "Home"]:
        press(page, key)
        top, bottom = page.evaluate(UNCOVERED)
        box = page.locator("#grid .here").bounding_box()
        assert top <= box["y"]
        assert box["y"] + box["height"] <= bottom


def test_the_end_of_what_is_known_of_a_crop_is_not_covered(server, open_page):
    page = open_page(server, viewport={"width": 800, "height": 480})
    expect(cards(page)).to_have_count(60)
    press(page, "ArrowDown", "ArrowDown", "ArrowDown")
    page.locator("#detail").evaluate("one => one.scrollTo(0, one.scrollHeight)")
    credit = page.locator("#of-licence").bounding_box()
    assert credit["y"] + credit["height"] <= page.locator("footer").bounding_box()["y"]


UNCOVERED = """
() => {
  const phone = matchMedia("(max-width: 720px)").matches;
  const above = phone ? document.querySelector("#detail").getBoundingClientRect().bottom : 0;
  return [Math.max(0, above), document.querySelector("footer").getBoundingClientRect().top];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_easily(server, open_page, scheme):
    """Contrast of 4.5 to 1 and more, as WCAG 2.2 asks for (1.4.3, level AA)."""
    page = open_page(server, color_scheme=scheme)
    expect(cards(page)).to_have_count(60)
    press(page, "0")
    kept(page)
    amiss(page)
    press(page, "Space")
    assert page.evaluate(CONTRASTS) == []
    press(page, "h")
    expect(history(page).get_by_role("listitem")).to_have_count(1)
    assert page.evaluate(CONTRASTS) == []


def amiss(page):
    """All that can be amiss at once: each shown, and long."""
    long = "gs://" + "a-bucket-of-a-very-long-name/" * 4 + "x" * 80

    def state(route):
        answer = route.fetch()
        known = answer.json()
        scoring = {"version": "v1", "done": 1, "total": 160, "error": long}
        changed = {"scoring": scoring, "dataset": "0" * 16, "error": long}
        route.fulfill(response=answer, json={**known, **changed})

    page.route("**/api/state", state)
    page.route("**/api/say", lambda route: route.fulfill(status=503, json={"error": long}))
    press(page, "0")
    for shown in ("#trouble", "#news", "#scoring", "#grid .failed", "#saving"):
        expect(page.locator(shown)).to_be_visible(timeout=15_000)


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
    const pair = [rgb(getComputedStyle(node).color), behind(node)].map(light);
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) low.push([node.className || node.localName, contrast]);
  }
  return low;
}
"""
