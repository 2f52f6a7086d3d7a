"""Projects with a store, filled by runs from photos on a web server of this machine."""

import pytest
from keeper import Keeper


@pytest.fixture
def keeping(tmp_path_factory):
    """Makes keepers of stores; their sites are closed at the end."""
    started = []

    def make(address=None):
        folder = tmp_path_factory.mktemp("keeper")
        started.append(Keeper(folder, address or (folder / "store").as_uri()))
        return started[-1]

    yield make
    for keeper in started:
        keeper.server.shutdown()
        keeper.server.server_close()


@pytest.fixture
def keeper(keeping):
    """A project with its store in a folder."""
    return keeping()


@pytest.fixture
def filled(keeping, any_address):
    """A project with its store of each kind in turn, filled by a run; and the manifests."""
    keeper = keeping(any_address)
    return keeper, keeper.fill()
