"""Stores with crops in them, servers that show them, and a browser to see them in."""

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from review_page import CROPS, cards
from reviewing import Shelf, int8_model, serving

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def model():
    return int8_model()


@pytest.fixture(scope="session")
def shelf_at(model):
    return lambda uri: Shelf(uri, model)


@pytest.fixture
def shelf(shelf_at, tmp_path):
    """An empty store in a folder."""
    return shelf_at((tmp_path / "store").as_uri())


@pytest.fixture
def serve(tmp_path):
    with serving(tmp_path) as serve:
        yield serve


@pytest.fixture(scope="module")
def standing(shelf_at, tmp_path_factory):
    """A store with two crops and a server of it, for all tests of a module: both."""
    folder = tmp_path_factory.mktemp("standing")
    shelf = shelf_at((folder / "store").as_uri())
    shelf.put_crops([("red", "red"), ("blue", "blue")])
    with serving(folder) as serve:
        server = serve(shelf, "--allow-host", "review.example.org")
        server.ready()
        yield shelf, server


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
