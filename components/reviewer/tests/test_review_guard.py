"""Who may talk to the server, and how it begins and ends."""

import json
import signal
import socket
import subprocess
import sys
import time

import pytest
from coralline_core.corrections import FOLDER

CROPS = [("red", "red"), ("blue", "blue")]


@pytest.fixture
def server(standing):
    return standing[1]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:1", 200),
        ("127.0.0.1:99", 200),
        ("[::1]:8080", 200),
        ("review.example.org", 200),
        ("REVIEW.example.org:443", 200),
        ("evil.org", 421),
        ("evil.org:80", 421),
        ("localhost.evil.org", 421),
        ("review.example.org.evil.org", 421),
        ("", 421),
        ("[", 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/review.js", "/api/state"])
def test_a_name_that_is_not_ours_is_refused(server, host, status, path):
    assert server.ask("GET", path, Host=host)[0] == status


def test_a_probe_may_ask_by_any_name(server):
    assert server.ask("GET", "/healthz", Host="10.1.2.3:8080")[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234", "Origin": "http://localhost:1234"}, 200),
        ({"Host": "review.example.org", "Origin": "https://review.example.org"}, 200),
        ({"Host": "localhost:1234", "Origin": "http://localhost:9999"}, 403),
        ({"Origin": "https://evil.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_sites_page_says_nothing(standing, headers, status):
    shelf, server = standing
    before = len([*shelf.store.list(FOLDER)])
    assert server.say([0], "blue", **headers) == status
    assert len([*shelf.store.list(FOLDER)]) - before == (status == 200)


def test_answers_allow_nothing_but_this_page(server):
    for path in ("/", "/style.css", "/api/state"):
        _, headers, _ = server.ask("GET", path)
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
    status, headers, _ = server.ask("GET", "/", Host="evil.org")
    assert (status, headers["X-Content-Type-Options"]) == (421, "nosniff")
    status, headers, _ = server.ask("OPTIONS", "/api/say", Origin="https://evil.org")
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers


def test_an_id_or_a_row_that_is_none_reads_nothing(server):
    for path in ("/api/picture/../../etc/1", "/api/picture/x/-1", "/api/picture/x/99999999999"):
        assert server.ask("GET", path)[0] == 404
    assert server.ask("GET", "/api/picture/x/0")[0] == 409
    assert server.ask("GET", "/api/crops?dataset=x&rows=a")[0] == 400
    assert server.ask("GET", "/api/list?order=random")[0] == 400
    assert server.ask("GET", "/api/list?out=maybe")[0] == 400
    assert server.ask("GET", "/api/list?out=yes&label=red")[0] == 400
    assert server.ask("GET", "/__init__.py")[0] == 404


def test_whoever_the_proxy_does_not_name_is_refused(shelf, serve):
    shelf.put_crops(CROPS)
    server = serve(shelf, "--who-header", "X-Forwarded-Email")
    assert server.ask("GET", "/api/state")[0] == 403
    assert server.ask("GET", "/healthz")[0] == 200
    named = {"X_Forwarded_Email": "ada@example.org"}
    deadline = time.monotonic() + 20
    while not (state := json.loads(server.ask("GET", "/api/state", **named)[2]))["dataset"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert state["who"] == "ada@example.org"
    message = {"dataset": state["dataset"], "rows": [0], "label": "blue", "id": "a" * 32}
    assert server.ask("POST", "/api/say", message)[0] == 403
    assert server.ask("POST", "/api/say", message, **named)[0] == 200
    (key,) = shelf.store.list(FOLDER)
    assert json.loads(shelf.store.get(key).data)["who"] == "ada@example.org"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_well(shelf, serve, number):
    """Also while the champion is at work, and a connection is open."""
    shelf.put_crops(CROPS * 2000)
    shelf.put_champion()
    server = serve(shelf)
    server.state(lambda state: state["scoring"] and 0 < state["scoring"]["done"] < 4000)
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))):
        started = time.monotonic()
        assert server.stop(number) == 0
    assert time.monotonic() - started < 2


def test_it_ends_at_once_while_the_store_does_not_answer(shelf_at, serve, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"s3://bucket/p?endpoint=http://127.0.0.1:{port}&region=us-east-1"
        server = serve(shelf_at(address))
        assert server.state()["looking"]
        started = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - started < 2


@pytest.fixture
def refused(shelf, tmp_path):
    """What a server says that does not begin."""
    settings = tmp_path / "review.yaml"

    def refused(*arguments, text="labels: [blue, red]\n"):
        settings.write_text(text)
        command = [sys.executable, "-m", "coralline_reviewer", "--settings", settings]
        command += ["--store", shelf.uri, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        return done.stderr

    return refused


def test_a_port_that_is_taken_is_said(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--port", str(port))
    assert f"127.0.0.1:{port}: cannot listen: Address already in use. Name another" in said


def test_a_host_that_there_is_not_is_said(refused):
    said = refused("--host", "nosuch.invalid")
    assert said.startswith("nosuch.invalid:8080: cannot listen: ")
    assert "Unknown error" not in said


@pytest.mark.parametrize("name", ["https://review.example.org", "[", "", "*.example.org"])
def test_what_is_no_name_of_a_host_is_said(refused, name):
    assert "is no name of a host" in refused("--allow-host", name)


def test_a_name_may_have_its_port(shelf, serve):
    server = serve(shelf, "--allow-host", "Review.example.org:8443")
    assert server.ask("GET", "/api/state", Host="review.example.org:8443")[0] == 200
    assert server.ask("GET", "/api/state", Host="review.example.org")[0] == 200


def test_settings_that_are_none_are_said(refused):
    assert refused(text="labels: [blue]\n").startswith("settings of review: labels: ")
