"""A stand-in for the API of Kubeflow Pipelines, whose images cannot be had in a test.

It keeps what it is given, is strict with requests, and answers in the real one's shape: snake case
but for `recurringRuns`, 64-bit numbers as text, 1970 for times that are not yet, pages with a
token, errors as grpc-gateway has them. It may stand behind a cluster's API server, too, and then
knows of pods. A test says what becomes of a run, and which requests fail.
"""

import base64
import email.parser
import email.policy
import json
import re
import socket
import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as api
import yaml

PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
LOST = "lost"
"""A fault: what is asked is done, and the connection closed before the answer."""
PAGE = "page"
"""A fault: a web page answers."""

_NEVER = "1970-01-01T00:00:00Z"
_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
_SORTED_BY = {"created_at", "display_name", "name", "description"}
# Two fields less than six are what robfig/cron v1 takes; the last is optional.
_CRON = re.compile(r"(@\w+|[\d*?/,\-A-Za-z]+( [\d*?/,\-A-Za-z]+){4,5})")


class Refused(Exception):  # noqa: N818 - it is what happens, not what went wrong
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class KubeflowStub:
    """The server; a context manager.

    `fault` is asked for each request's method and path, and says which fault befalls it: a status,
    LOST, PAGE, or None. `most_enabled` is how many recurring runs of one name were ever enabled
    at once.
    """

    def __init__(self):
        self.fault = lambda method, path: None
        self.token = None
        self.installed = True
        self.largest_page = 200
        self.asked = []
        self.pipelines, self.versions, self.experiments = {}, {}, {}
        self.runs, self.recurring = {}, {}
        self.specs = {}
        self.deleted = []
        self.most_enabled = 0
        self.pods, self.logs = [], {}
        self._lock = threading.Lock()
        self._clock = datetime(2026, 11, 25, 3, tzinfo=UTC)

    def __enter__(self):
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with stub._lock:
                    status, answer, kind = stub._answer(self.command, self.path, self.headers, body)
                if status is None:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - as it is called

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client may be gone
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What a test does.

    def play(self, run, state, tasks=()):
        """Let a run be in a state, with the tasks that Argo's nodes are listed as."""
        self._come_to(run, state)
        self.runs[run]["run_details"] = {"task_details": list(tasks)}
        if state in ("SUCCEEDED", "FAILED"):
            self.runs[run]["finished_at"] = self._now()

    def _come_to(self, run, state):
        past = self.runs[run].setdefault("state_history", [])
        if self.runs[run]["state"] != state or not past:
            past.append({"update_time": self._now(), "state": state})
        self.runs[run]["state"] = state

    def nodes(self, **steps):
        """The tasks of a run whose steps are in these states, in the order in which they run.

        A state is `done`, `cached`, `failed`, `retried`, `waiting`, `running`, `starting` or
        `left out`.
        """
        at = self._clock
        tasks = [_task("coralline", "RUNNING", at), _task("root-driver", "SUCCEEDED", at, at)]
        for step, state in steps.items():
            name = "compile-model" if step == "compile" else step
            if state == "left out":
                tasks += [_task(one, None, at, at) for one in (f"{name}-driver", name)]
                continue
            begun, ready, ended = (at + timedelta(seconds=s) for s in (5, 12, 40))
            if state == "starting":
                tasks.append(_task(f"{name}-driver", "RUNNING", begun))
                continue
            tasks.append(_task(f"{name}-driver", "SUCCEEDED", begun, ready))
            over = state in ("done", "cached", "failed", "retried")
            whole = {"failed": "FAILED"}.get(state, "SUCCEEDED" if over else "RUNNING")
            tasks.append(_task(name, whole, ready, ended if over else None))
            match state:
                case "cached":
                    tasks.append(_task("executor", "SKIPPED", ready, ready))
                case "retried":
                    tasks.append(_task("executor", "SUCCEEDED", ready, ended))
                    tasks.append(_task("executor(0)", "FAILED", ready, ready))
                    tasks.append(_task("executor(1)", "SUCCEEDED", ready, ended))
                case "waiting":
                    tasks.append(_task("executor", "RUNNING", ready))
                    tasks.append(_task("executor(0)", "PENDING", ready))
                case _:
                    tasks.append(_task("executor", whole, ready, ended if over else None))
            at = ended
        return tasks[::-1]  # the real one has them in no order

    # The server's side.

    def _answer(self, method, path, headers, body):
        parts = urlsplit(path)
        fault = self.fault(method, parts.path)
        self.asked.append((method, parts.path, fault))
        if fault == PAGE:
            return 200, b"<html>Welcome</html>", "text/html"
        if isinstance(fault, int):
            return self._error(fault, "no healthy upstream")
        try:
            if self.token and headers.get("authorization") != f"Bearer {self.token}":
                raise Refused(401, "Request header error: there is no user identity header.")
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            answer = self._route(method, parts.path, query, headers, body)
        except Refused as error:
            return self._error(error.status, str(error))
        if fault == LOST:
            return None, None, None
        if isinstance(answer, str):
            return 200, answer.encode(), "text/plain"
        return 200, json.dumps(answer).encode(), "application/json"

    def _error(self, status, message):
        status_of_rpc = {"@type": "type.googleapis.com/google.rpc.Status", "message": message}
        answer = {"code": _CODES.get(status, 2), "message": message, "details": [status_of_rpc]}
        return status, json.dumps(answer).encode(), "application/json"

    def _route(self, method, path, query, headers, body):
        if path.startswith("/api/v1/namespaces/kubeflow/pods"):
            return self._pods(path, query)
        if path.startswith(PROXY):
            if not self.installed:
                raise Refused(404, 'services "ml-pipeline" not found')
            path = path.removeprefix(PROXY)
        if not path.startswith("/apis/v2beta1/"):
            raise Refused(404, "Not Found")
        match [method, *path.removeprefix("/apis/v2beta1/").split("/")]:
            case ["GET", "pipelines", "names", name]:
                return self._one(p for p in self.pipelines.values() if p["name"] == name)
            case ["POST", "pipelines"]:
                return self._create_pipeline(self._checked(body, api.V2beta1Pipeline))
            case ["POST", "pipelines", "upload_version"]:
                return self._upload(query, headers, body)
            case ["GET", "pipelines", pipeline, "versions"]:
                there = [v for v in self.versions.values() if v["pipeline_id"] == pipeline]
                return self._listed("pipeline_versions", there, query, {"name", "display_name"})
            case ["GET", "experiments"]:
                there = list(self.experiments.values())
                return self._listed("experiments", there, query, {"name", "display_name"})
            case ["POST", "experiments"]:
                return self._create_experiment(self._checked(body, api.V2beta1Experiment))
            case ["GET", "runs"]:
                there = self._of_experiment(self.runs, query)
                return self._listed("runs", there, query, {"display_name", "run_id"})
            case ["POST", "runs"]:
                return self._create_run(self._checked(body, api.V2beta1Run))
            case ["GET", "runs", run]:
                return self._one(one for one in self.runs.values() if one["run_id"] == run)
            case ["POST", "runs", verb] if verb.endswith(":terminate"):
                return self._terminate(verb.removesuffix(":terminate"))
            case ["GET", "recurringruns"]:
                there = self._of_experiment(self.recurring, query)
                return self._listed("recurringRuns", there, query, {"display_name"})
            case ["POST", "recurringruns"]:
                return self._create_recurring(self._checked(body, api.V2beta1RecurringRun))
            case ["POST", "recurringruns", verb] if ":" in verb:
                return self._switch(*verb.split(":"))
            case ["DELETE", "recurringruns", one]:
                return self._delete_recurring(one, query)
        raise Refused(404, "Not Found")

    def _create_pipeline(self, wanted):
        if not wanted.get("name"):
            raise Refused(400, "Invalid input error: pipeline's name cannot be empty")
        if any(one["name"] == wanted["name"] for one in self.pipelines.values()):
            raise Refused(409, f"The name {wanted['name']} already exists")
        made = {"pipeline_id": _id(), "created_at": self._now(), **wanted}
        self.pipelines[made["pipeline_id"]] = made
        return made

    def _upload(self, query, headers, body):
        if query.get("pipelineid") not in self.pipelines:
            raise Refused(400, "Failed to create a pipeline version")
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
        )
        (part,) = message.iter_parts()
        if part.get_param("name", header="content-disposition") != "uploadfile":
            raise Refused(400, "Failed to read pipeline from file")
        text = part.get_content()
        text = text.decode() if isinstance(text, bytes) else text
        spec, *platform = yaml.safe_load_all(text)
        if spec.get("schemaVersion") != "2.1.0" or "pipelineInfo" not in spec:
            raise Refused(400, "unknown template format: pipeline spec is invalid")
        siblings = [v for v in self.versions.values() if v["pipeline_id"] == query["pipelineid"]]
        if any(one["name"] == query["name"] for one in siblings):
            raise Refused(409, "Failed to create a pipeline version")
        made = {
            "pipeline_id": query["pipelineid"],
            "pipeline_version_id": _id(),
            "name": query["name"],
            "display_name": query.get("display_name") or query["name"],
            "created_at": self._now(),
            "pipeline_spec": {"pipeline_spec": spec, "platform_spec": (platform or [{}])[0]},
        }
        self.versions[made["pipeline_version_id"]] = made
        self.specs[made["pipeline_version_id"]] = text
        return made

    def _create_experiment(self, wanted):
        if any(one["display_name"] == wanted["display_name"] for one in self.experiments.values()):
            raise Refused(409, f"Already exist error: {wanted['display_name']} already exists")
        made = {"experiment_id": _id(), "created_at": self._now(), "namespace": "kubeflow"}
        self.experiments[made["experiment_id"]] = made | wanted | {"storage_state": "AVAILABLE"}
        return self.experiments[made["experiment_id"]]

    def _create_run(self, wanted):
        self._require_what_runs(wanted)
        made = {
            "run_id": _id(),
            "storage_state": "AVAILABLE",
            "created_at": self._now(),
            "scheduled_at": self._now(),
            "finished_at": _NEVER,
            "state": "PENDING",
            "service_account": "pipeline-runner",
            **_without_empty_config(wanted),
        }
        self.runs[made["run_id"]] = made
        return made

    def _terminate(self, run):
        if run not in self.runs:
            raise Refused(404, f"Failed to terminate run {run}: Run {run} not found")
        if self.runs[run]["state"] in ("SUCCEEDED", "FAILED"):
            raise Refused(400, f"Failed to terminate a run {run}. Row not found")
        self._come_to(run, "CANCELING")
        return {}

    def _create_recurring(self, wanted):
        self._require_what_runs(wanted)
        if not 1 <= int(wanted.get("max_concurrency", 0)) <= 10:
            raise Refused(400, "Max concurrency of a recurring run must be at least 1")
        if wanted.get("mode") not in ("ENABLE", "DISABLE"):
            raise Refused(400, "parsing error occurred in its mode field")
        trigger = wanted.get("trigger") or {}
        if len(trigger) != 1:
            raise Refused(400, "trigger parsing error")
        if cron := trigger.get("cron_schedule"):
            self._require_fields(cron, api.V2beta1CronSchedule)
            if not _CRON.fullmatch(cron["cron"]):
                raise Refused(400, "Schedule cron is not a supported format")
        else:
            self._require_fields(trigger["periodic_schedule"], api.V2beta1PeriodicSchedule)
            if int(trigger["periodic_schedule"]["interval_second"]) < 1:
                raise Refused(400, "Found invalid period schedule interval")
        made = {
            "recurring_run_id": _id(),
            "created_at": self._now(),
            "updated_at": self._now(),
            "namespace": "kubeflow",
            "service_account": "pipeline-runner",
            "status": wanted["mode"] + "D",
            **_without_empty_config(wanted),
        }
        self.recurring[made["recurring_run_id"]] = made
        self._count_enabled()
        return made

    def _switch(self, one, verb):
        if one not in self.recurring:
            raise Refused(404, f"ResourceNotFoundError: recurring run {one} not found.")
        mode = {"enable": "ENABLE", "disable": "DISABLE"}[verb]
        self.recurring[one] |= {"mode": mode, "status": mode + "D"}
        self._count_enabled()
        return {}

    def _delete_recurring(self, one, query):
        if one not in self.recurring:
            raise Refused(404, f"Failed to delete recurring run {one}. Check if exists")
        self.deleted.append((one, query.get("propagation_policy")))
        del self.recurring[one]
        return {}

    def _count_enabled(self):
        enabled = Counter(
            one["display_name"] for one in self.recurring.values() if one["mode"] == "ENABLE"
        )
        self.most_enabled = max([self.most_enabled, *enabled.values()])

    def _require_what_runs(self, wanted):
        if not wanted.get("display_name"):
            raise Refused(400, "The run name is empty. Please specify a valid name")
        if wanted.get("experiment_id") not in self.experiments:
            raise Refused(404, "Experiment not found")
        reference = wanted.get("pipeline_version_reference") or {}
        version = self.versions.get(reference.get("pipeline_version_id"))
        if version is None or version["pipeline_id"] != reference.get("pipeline_id"):
            raise Refused(404, "Failed to fetch a pipeline version and its manifest")
        self._require_fields(wanted.get("runtime_config") or {}, api.V2beta1RuntimeConfig)

    def _checked(self, body, model):
        """A request's body, if it has only the fields of its message."""
        content = json.loads(body)
        self._require_fields(content, model)
        return content

    def _require_fields(self, content, model):
        if unknown := content.keys() - set(model.attribute_map.values()):
            raise Refused(400, f"proto: unknown field {sorted(unknown)}")

    def _one(self, found):
        for one in found:
            return one
        raise Refused(404, "ResourceNotFoundError: not found")

    def _of_experiment(self, things, query):
        experiment = query.get("experiment_id")
        if experiment and experiment not in self.experiments:
            raise Refused(404, f"Experiment {experiment} not found")
        return [one for one in things.values() if experiment in (None, one["experiment_id"])]

    def _listed(self, what, things, query, filtered_by):
        criteria = [query.get("filter", ""), query.get("sort_by", "")]
        if criteria[0]:
            for predicate in json.loads(criteria[0])["predicates"]:
                if predicate["operation"] != "EQUALS" or predicate["key"] not in filtered_by:
                    raise Refused(400, f"Invalid filter: {predicate}")
                key, value = predicate["key"], predicate["stringValue"]
                things = [one for one in things if one.get(key) == value]
        field, _, order = criteria[1].partition(" ")
        if field and field not in _SORTED_BY:
            raise Refused(400, f"Invalid sorting field: {field}")
        things = sorted(things, key=lambda one: one[field or "created_at"], reverse=order == "desc")
        start = 0
        if token := query.get("page_token"):
            start, *asked = json.loads(base64.b64decode(token))
            if asked != criteria:
                raise Refused(400, "page token does not match the supplied criteria")
        size = min(int(query.get("page_size") or 20), self.largest_page)
        answer = {what: things[start : start + size], "total_size": len(things)}
        if len(things) > start + size:
            token = json.dumps([start + size, *criteria]).encode()
            answer["next_page_token"] = base64.b64encode(token).decode()
        return {name: value for name, value in answer.items() if value}

    def _pods(self, path, query):
        name, _, rest = (
            path.removeprefix("/api/v1/namespaces/kubeflow/pods").strip("/").partition("/")
        )
        if rest == "log":
            return self.logs[name]
        key, _, value = query["labelSelector"].partition("=")
        there = [one for one in self.pods if one["metadata"]["labels"].get(key) == value]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": there}

    def _now(self):
        self._clock += timedelta(seconds=1)
        return _stamp(self._clock)


def _without_empty_config(wanted):
    config = wanted.get("runtime_config") or {}
    return {k: v for k, v in wanted.items() if k != "runtime_config" or any(config.values())}


def _task(name, state, start, end=None):
    return {
        "run_id": _id(),
        "task_id": _id(),
        "display_name": name,
        "create_time": _stamp(start),
        "start_time": _stamp(start),
        "end_time": _stamp(end) if end else _NEVER,
        **({"state": state} if state else {}),
        "child_tasks": [{"pod_name": f"coralline-abcde-{_id()[:8]}"}],
    }


def _stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _id():
    return str(uuid.uuid4())
