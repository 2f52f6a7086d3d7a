"""What `follow` makes of what a cluster says: played back, as such trouble cannot be had at will.

tests/kind has the rest, on a real cluster.
"""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import yaml
from coralline.cluster.jobs.api import Cluster
from coralline.cluster.jobs.follow import follow, newest_run
from coralline.cluster.jobs.objects import Pod
from coralline.cluster.settings import KubernetesSettings
from coralline.project import STEPS, load_project
from coralline_core.errors import CorallineError


class Api:
    """The part of a cluster's API that is asked: lists of objects, logs, deletion."""

    def __init__(self):
        self.jobs = {step: self._object(f"r1-{step}", step) for step in STEPS}
        self.pods = {}
        self.logs = {}
        self.refuse = []
        """Statuses with which the next requests are answered."""

    def condition(self, step, kind, reason=""):
        condition = {"type": kind, "status": "True", "reason": reason}
        self.jobs[step]["status"] = {"conditions": [condition]}

    def pod(self, step, name="pod", log="", **status):
        self.pods[name] = self._object(name, step, status)
        self.logs[name] = log

    def answer(self, method, path):
        """A status, and JSON or text."""
        if self.refuse:
            status = self.refuse.pop(0)
            return status, json.dumps({"message": "as the test has it"})
        *_, kind, name = path.split("/")
        if path == "/version/":
            return 200, json.dumps({"major": "1"})
        if kind == "jobs" and method == "DELETE":
            del self.jobs[name.partition("-")[2]]
            return 200, "{}"
        if name == "log":
            return 200, self.logs[kind]
        items = {"jobs": self.jobs, "pods": self.pods, "events": {}}[name]
        return 200, json.dumps({"items": list(items.values())})

    @staticmethod
    def _object(name, step, status=None):
        labels = {"app.kubernetes.io/instance": "r1", "coralline/step": step}
        metadata = {"name": name, "creationTimestamp": "2026-11-25T17:30:00Z", "labels": labels}
        return {"metadata": metadata, "status": status or {}}


@contextmanager
def served(api):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = api.answer(self.command, urlsplit(self.path).path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def cluster(api, tmp_path, monkeypatch):
    """The cluster that kubectl is set up for."""
    with served(api) as url:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "here",
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION",
            str(tmp_path / "kubeconfig"),
        )
        monkeypatch.setattr("coralline.cluster.jobs.follow._LOOK", 0.01)
        yield Cluster("coralline")


@pytest.fixture
def followed(cluster):
    """Follows the run: what was said, and the error."""

    def followed(**settings):
        said = []
        with pytest.raises(CorallineError) as caught:
            follow(cluster, KubernetesSettings(**settings), "r1", said.append)
        return said, caught.value

    return followed


def ended(code, message="", **more):
    return {
        "phase": "Failed",
        "containerStatuses": [
            {"state": {"terminated": {"exitCode": code, "message": message, **more}}}
        ],
    }


def test_a_run_is_followed_to_its_end(api, cluster):
    api.condition("publish", "Complete")
    said = []
    follow(cluster, KubernetesSettings(), "r1", said.append)
    assert said == []


def test_what_a_step_says_is_said_once_and_what_libraries_say_is_not(api, cluster):
    log = ["2026-11-25T17:30:01.5Z crawl    started", "2026-11-25T17:30:02.5Z WARNING: All log", ""]
    api.pod("crawl", log="\n".join(log), phase="Running")
    said = []

    def say(line):
        said.append(line)
        if len(said) == 1:
            api.logs["pod"] += "2026-11-25T17:30:03.5Z crawl    1/2 images\n"
        else:
            api.condition("publish", "Complete")

    follow(cluster, KubernetesSettings(), "r1", say)
    assert said == ["crawl    started", "crawl    1/2 images"]


def test_a_step_that_broke_is_said_with_its_last_words(api, followed):
    traceback = (
        "Traceback (most recent call last):\n  File …\nZeroDivisionError: division by zero\n"
    )
    api.pod("train", **ended(1, traceback))
    api.condition("train", "Failed", "BackoffLimitExceeded")
    said, error = followed()
    assert said[0] == "train    ended with exit code 1"
    assert said[-1] == "train    ZeroDivisionError: division by zero"
    assert error.exit_code == 1
    assert str(error).startswith("train ended unexpectedly, with exit code 1. ")
    assert "kubectl logs job/r1-train" in str(error)


def test_the_step_that_failed_is_named_and_not_those_that_waited_for_it(api, followed):
    api.pod("crop", "a", **ended(2, "crop waits\ncrop failed: no\nboxes: no such file\n"))
    api.pod("train", "b", **ended(2, "crop failed: boxes: no such file\n"))
    api.condition("train", "Failed", "PodFailurePolicy")  # the crop's Job does not say so yet
    _, error = followed()
    assert str(error) == "crop failed: boxes: no such file"
    assert error.exit_code == 2


def test_what_waits_for_a_failed_step_is_deleted(api, followed):
    api.condition("crawl", "Complete")
    api.condition("curate", "Failed", "BackoffLimitExceeded")
    _, error = followed()
    assert set(api.jobs) == {"crawl", "curate"}
    assert "left no pod" in str(error)


def test_a_step_that_was_not_done_in_time(api, followed):
    api.condition("crawl", "Failed", "DeadlineExceeded")
    _, error = followed(steps={"crawl": {"timeout": "90m"}})
    assert "90m" in error.what
    assert error.fix.startswith("Raise kubernetes.steps.crawl.timeout")


def test_a_pod_that_had_to_go_is_no_failure(api, cluster):
    disruption = {
        "type": "DisruptionTarget",
        "status": "True",
        "message": "Taint manager: deleting",
    }
    api.pod("train", **ended(137), conditions=[disruption])
    said = []

    def say(line):
        said.append(line)
        api.condition("publish", "Complete")

    follow(cluster, KubernetesSettings(), "r1", say)
    assert said == ["train    lost its pod: Taint manager: deleting"]


def test_a_pod_that_somebody_deleted(api, cluster):
    api.pod("crawl", phase="Running", log="2026-11-25T17:30:01.5Z crawl    started\n")
    said = []

    def say(line):
        said.append(line)
        api.pods.clear()
        if len(said) == 2:
            api.condition("publish", "Complete")

    follow(cluster, KubernetesSettings(), "r1", say)
    assert said == ["crawl    started", "crawl    lost its pod: somebody deleted it"]


def test_a_cluster_that_falters_is_asked_again(api, cluster):
    api.condition("publish", "Complete")
    api.refuse = [503, 429]
    follow(cluster, KubernetesSettings(), "r1", print)
    assert api.refuse == []


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "does not know you"), (403, "as the test has it"), (404, "as the test has it")],
)
def test_a_cluster_that_refuses(api, followed, status, said):
    api.refuse = [status]
    _, error = followed()
    assert said in str(error)
    assert "http://127.0.0.1" in error.where


def test_the_newest_run_of_a_project(api, cluster, project_file):
    api.jobs["crawl"]["metadata"]["labels"]["app.kubernetes.io/instance"] = "r2"
    api.jobs["crawl"]["metadata"]["creationTimestamp"] = "2026-11-26T03:00:00Z"
    project = load_project(project_file())
    assert newest_run(cluster, project) == "r2"
    api.jobs.clear()
    with pytest.raises(CorallineError, match="no run of p"):
        newest_run(cluster, project)


def test_a_pod_of_which_nothing_is_known_yet():
    metadata = {"name": "pod", "creationTimestamp": "2026-11-25T17:30:00Z"}
    pod = Pod.model_validate({"metadata": metadata, "status": {"phase": "Pending"}})
    assert (pod.waiting, pod.terminated, pod.condition("Ready")) == (None, None, None)


def test_a_failed_run_can_be_followed_again(api, followed):
    api.pod("crawl", **ended(2, "crawl.sources: nothing"))
    _, first = followed()
    assert "crawl failed" in str(first)
    assert api.jobs.keys() == {"crawl"}
    _, second = followed()
    assert str(second) == str(first)


def test_a_run_without_one_of_its_jobs_is_said(api, followed):
    del api.jobs["train"]
    _, error = followed()
    assert error.what == "the run r1 has no Job for train, and the others wait for it"


def test_a_log_that_cannot_be_had_is_no_failure(api, cluster):
    api.pod("train", "lost", phase="Running")
    said, asked = [], []
    answer = api.answer

    def without_logs(method, path):
        if not path.endswith("/log"):
            return answer(method, path)
        asked.append(path)
        if len(asked) == 2:
            api.condition("publish", "Complete")
        return 500, json.dumps({"message": "dial tcp: no route to host"})

    api.answer = without_logs
    follow(cluster, KubernetesSettings(), "r1", said.append)
    assert len(asked) in (2, 3)
    assert said == []


@pytest.mark.parametrize("context", [None, "mine"])
def test_where_no_cluster_is_set_up_it_is_said(tmp_path, monkeypatch, context):
    place = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    monkeypatch.setattr(place, str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(CorallineError, match="no cluster is set up here"):
        Cluster("coralline", context)
