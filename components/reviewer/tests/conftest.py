"""Stores with crops in them, and servers that show them."""

import pytest
from reviewing import Shelf, int8_model, serving


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
