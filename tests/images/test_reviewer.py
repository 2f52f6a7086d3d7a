"""The reviewer in its image, which may write nowhere but to /tmp: a page, a champion, an end."""

import json
import subprocess

import pytest
from coralline_core.corrections import corrected_crops
from reviewing import Shelf, int8_model

pytestmark = pytest.mark.docker

# In the container, which has no network: what a page would ask.
ASK = """
import json, time, urllib.request

def ask(path, message=None):
    data = message and json.dumps(message).encode()
    asked = urllib.request.Request("http://localhost:8080" + path, data)
    asked.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(asked))

assert urllib.request.urlopen("http://localhost:8080/healthz").read()
for _ in range(100):
    state = ask("/api/state")
    if state["scoring"] and state["scoring"]["done"] == state["scoring"]["total"]:
        break
    time.sleep(0.1)
rows = ask("/api/list")["rows"]
message = {"id": "0" * 32, "dataset": state["dataset"], "rows": rows[:1], "label": None}
said = ask("/api/say", message)
print(json.dumps([state["scoring"], rows, said["crops"][0]["photo"]]))
"""


@pytest.fixture
def reviewer(built, tmp_path):
    """A store with a crop that is mislabelled, and a container at work on it: both."""
    shelf = Shelf((tmp_path / "store").as_uri(), int8_model())
    shelf.put_crops([("red", "red"), ("blue", "blue"), ("red", "blue")])
    shelf.put_champion()
    (tmp_path / "review.json").write_text(json.dumps({"labels": ["blue", "red"]}))
    subprocess.run(["chmod", "--recursive", "a+rwX", tmp_path], check=True)
    strict = ["--read-only", "--cap-drop=ALL", "--network=none", "--env=HOME=/", "--tmpfs=/tmp"]
    command = ["python", "-m", "coralline_reviewer", "--settings=/work/review.json"]
    container = subprocess.run(
        [
            *("docker", "run", "--detach", *strict, f"--volume={tmp_path}:/work"),
            *(built["reviewer"], *command, "--store=/work/store", "--host=0.0.0.0"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    wait = "until python -c 'import socket; socket.create_connection((\"localhost\", 8080))'; do"
    wait = f"{wait} sleep 0.2; done 2> /dev/null"
    subprocess.run(["docker", "exec", container, "sh", "-c", wait], check=True, timeout=60)
    yield shelf, container
    subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)


def test_a_page_is_served_and_what_it_says_is_kept(reviewer):
    shelf, container = reviewer
    done = subprocess.run(
        ["docker", "exec", container, "python", "-c", ASK], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scoring, rows, photo = json.loads(done.stdout)
    assert scoring == {"version": "v1", "done": 3, "total": 3, "error": None}
    assert rows[0] == 2
    assert corrected_crops(shelf.store) == {photo: {(10, 20, 30, 30): None}}
    # As Kubernetes ends a pod: with SIGTERM to its first process.
    stopped = subprocess.run(["docker", "stop", "--time=5", container], capture_output=True)
    assert stopped.returncode == 0
    inspect = ["docker", "inspect", "--format={{.State.ExitCode}}", container]
    assert subprocess.run(inspect, capture_output=True, text=True).stdout == "0\n"
