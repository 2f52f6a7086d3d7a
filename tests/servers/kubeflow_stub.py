"""A stand-in for the API of Kubeflow Pipelines, whose images cannot be had in a test.

It keeps what it is given, is strict with requests, and answers in the real one's shape: snake case
but for `recurringRuns`, 64-bit numbers as text, 1970 for times that are not yet, pages with a
token, errors as grpc-gateway has them. It may stand behind a cluster's API server, too, and then
knows of pods. A test says what becomes of a run, and which requests fail.
"""

import base64
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as api
from kubeflow_graph import graph
from kubeflow_records import Records, Refused

PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
LOST = "lost"
"""A fault: what is asked is done, and the connection closed before the answer."""
PAGE = "page"
"""A fault: a web page answers."""

_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}
_SORTED_BY = {"created_at", "display_name", "name", "description"}


class KubeflowStub(Records):
    """The server; a context manager.

    `fault` is asked for each request's method and path, and says which fault befalls it: a status,
    LOST, PAGE, or None. `logs` are what pods have said, by their nodes in the graph; `pods` are
    those that the cluster has, if it is one.
    """

    def __init__(self):
        super().__init__()
        self.fault = lambda method, path: None
        self.token = None
        self.installed = True
        self.largest_page = 200
        self.asked = []
        self.pods, self.logs = [], {}
        self._lock = threading.Lock()

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
        self.come_to(run, state)
        self.runs[run]["run_details"] = {"task_details": list(tasks)}

    def nodes(self, **steps):
        """The tasks of a run whose steps are in these states: see `graph`."""
        return graph(self.clock, **steps)

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
        return 200, json.dumps(answer).encode(), "application/json"

    def _error(self, status, message):
        status_of_rpc = {"@type": "type.googleapis.com/google.rpc.Status", "message": message}
        answer = {"code": _CODES.get(status, 2), "message": message, "details": [status_of_rpc]}
        return status, json.dumps(answer).encode(), "application/json"

    def _route(self, method, path, query, headers, body):
        if path.startswith("/api/v1/namespaces/kubeflow/pods"):
            return self._pods(query)
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
                return self.create_pipeline(self.checked(body, api.V2beta1Pipeline))
            case ["POST", "pipelines", "upload_version"]:
                return self.upload(query, headers, body)
            case ["GET", "pipelines", pipeline, "versions"]:
                there = [v for v in self.versions.values() if v["pipeline_id"] == pipeline]
                return self._listed("pipeline_versions", there, query, {"name", "display_name"})
            case ["GET", "experiments"]:
                there = list(self.experiments.values())
                return self._listed("experiments", there, query, {"name", "display_name"})
            case ["POST", "experiments"]:
                return self.create_experiment(self.checked(body, api.V2beta1Experiment))
            case ["GET", "runs"]:
                there = self._of_experiment(self.runs, query)
                return self._listed("runs", there, query, {"display_name", "run_id"})
            case ["POST", "runs"]:
                return self.create_run(self.checked(body, api.V2beta1Run))
            case ["GET", "runs", run]:
                return self._one(one for one in self.runs.values() if one["run_id"] == run)
            case ["GET", "runs", _, "nodes", node, "artifacts", "main-logs:read"]:
                return self._log(node)
            case ["POST", "runs", verb] if verb.endswith(":terminate"):
                return self.terminate(verb.removesuffix(":terminate"))
            case ["GET", "recurringruns"]:
                there = self._of_experiment(self.recurring, query)
                return self._listed("recurringRuns", there, query, {"display_name"})
            case ["POST", "recurringruns"]:
                return self.create_recurring(self.checked(body, api.V2beta1RecurringRun))
            case ["POST", "recurringruns", verb] if ":" in verb:
                return self.switch(*verb.split(":"))
            case ["DELETE", "recurringruns", one]:
                return self.delete_recurring(one, query)
        raise Refused(404, "Not Found")

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

    def _log(self, node):
        if node not in self.logs:
            raise Refused(404, "artifact not found: <nil>")
        return {"data": base64.b64encode(self.logs[node].encode()).decode()}

    def _pods(self, query):
        key, _, value = query["labelSelector"].partition("=")
        there = [one for one in self.pods if one["metadata"]["labels"].get(key) == value]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": there}
