"""What needs a cluster of kind; each file can run alone."""

import uuid
from contextlib import contextmanager

import pytest
from kind_cluster import RUN, Runner, bring_up, kubectl


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.kind)


@pytest.fixture(scope="session", autouse=True)
def cluster():
    bring_up()


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return Runner(tmp_path_factory.mktemp("runner"))


@contextmanager
def run_name():
    """The name of a run, whose Jobs go when it is over."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    kubectl("delete", "jobs", "-l", f"{RUN}={name}", "--wait=false")


@pytest.fixture
def run():
    with run_name() as name:
        yield name


@pytest.fixture(scope="module")
def long_run():
    with run_name() as name:
        yield name
