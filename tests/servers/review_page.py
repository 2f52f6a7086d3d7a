"""The review page in a browser: what tests do with it, and what it left in the store."""

from urllib.parse import urlsplit

from coralline_core.corrections import FOLDER, Correction, corrected_crops
from playwright.sync_api import expect

CROPS = [("red", "red"), ("red", "blue"), ("blue", "blue"), ("blue", "red")] * 40


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


def history(page):
    return page.get_by_role("dialog", name="What was said")
