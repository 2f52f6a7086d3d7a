"""The page in a real Chromium, by its keys and by its buttons."""

import os
import shutil
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from coralline_core import forgotten, journal
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

    def open_page(server, hurried=False, **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.add_init_script(OFTEN + HURRIED * hurried)
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


OFTEN = """
const later = setTimeout;
globalThis.setTimeout = (act, ms) => later(act, ms / 10);
"""  # a page asks every five seconds what others said, or every second
HURRIED = """
const wait = AbortSignal.timeout.bind(AbortSignal);
globalThis.limits = [];
AbortSignal.timeout = (ms) => (limits.push(ms), wait(ms / 10));
"""


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


def row(page, number):
    return int(card(page, number).get_attribute("data-row"))


def said(shelf):
    """What was written down, in order of time: how many crops, and the label."""
    return [(len(one.crops), one.label) for one in corrections(shelf) if not one.takes_back]


def taken_back(shelf):
    """How many acts were."""
    return sum(len(one.takes_back) for one in corrections(shelf))


def corrections(shelf):
    keys = [*shelf.store.list(FOLDER)]
    return [Correction.model_validate_json(shelf.store.get(key).data) for key in keys]


def counting(shelf):
    """The labels that count."""
    boxes = corrected_crops(shelf.store).values()
    return [label for by_box in boxes for label in by_box.values()]


def kept(page):
    expect(page.locator("#saving")).to_be_empty()


def posts(page):
    """What the page sends from now on: (path, message)."""
    sent = []

    def note(request):
        if request.method == "POST":
            sent.append((urlsplit(request.url).path, request.post_data_json))

    page.on("request", note)
    return sent


def lose(page, path, answers=False, times=1):
    """Requests that do not come, or answers that do not."""

    def lost(route):
        if answers:
            route.fetch()
        route.abort()

    page.route(path, lost, times=times)


def again(server, shelf, serve):
    """Another server where the first was, as after an update."""
    port = urlsplit(server.url).port
    server.stop()
    return serve(shelf, "--who", "Ada", "--port", str(port))


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


# While crops come, and where they do not.


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
    assert page.evaluate("limits.at(-1)") == 150_000
    assert page.evaluate("Math.min(...limits)") == 15_000


# Taking back.


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


# All that was said.


def history(page):
    return page.get_by_role("dialog", name="What was said")


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


# Several at once.


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


# What cannot be kept, or is there no more.


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
    const pair = [rgb(getComputedStyle(node).color), behind(node)].map(light).sort();
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) low.push([node.className || node.localName, contrast]);
  }
  return low;
}
"""
