"""How the API of Kubeflow Pipelines is reached: where it is, and who we are there.

In this order: the URL that is given (the project file's, or KF_PIPELINES_ENDPOINT); the service in
the cluster, from a pod of it; the service through the API server of the cluster that kubectl is
set up for. The token is KF_PIPELINES_TOKEN, or lies in the file that KF_PIPELINES_SA_TOKEN_PATH
names; the last way has the cluster's own.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import kfp_server_api
from coralline_core.errors import CorallineError
from urllib3.exceptions import HTTPError

ENDPOINT = "KF_PIPELINES_ENDPOINT"
UI_ENDPOINT = "KF_PIPELINES_UI_ENDPOINT"
TOKEN = "KF_PIPELINES_TOKEN"  # noqa: S105 - the variable's name
NAMESPACE = "kubeflow"
"""Where Kubeflow Pipelines is installed in a cluster, and where its runs' pods are."""

_TOKEN_FILE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - the variable's name
_POD_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
_SERVICE = f"http://ml-pipeline.{NAMESPACE}.svc.cluster.local:8888"
_THROUGH_CLUSTER = f"/api/v1/namespaces/{NAMESPACE}/services/ml-pipeline:http/proxy"
_FORWARDED = "http://localhost:8080"
_PATIENCE = (10, 60)  # s for a connection, and for an answer
_LONGEST = 300  # characters of what others say


class Connection(NamedTuple):
    """A way to the API.

    Attributes:
        place: What people call it: a URL, or a context of kubectl.
        ui: The URL of the pages, without a slash at its end.
        login: What to do where it is asked who we are.
        forwarded: Whether the pages are only there while kubectl forwards a port to them.
        client: Sends the requests of `kfp_server_api`.
    """

    place: str
    ui: str
    login: str
    forwarded: bool
    client: kfp_server_api.ApiClient


class ApiError(Exception):
    """A request that did not do what was asked.

    Attributes:
        status: The HTTP status; 0 where there was no answer.
        message: What the API, or what is in front of it, says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class _Client(kfp_server_api.ApiClient):  # type: ignore[misc] # it has no types
    """The generated client, for which every answer is one of Kubeflow's."""

    def request(self, *arguments: Any, **options: Any) -> Any:
        """Send a request.

        Raises:
            ApiError: It failed.
            CorallineError: What is there is not the API, or not to be trusted.
        """
        options["_request_timeout"] = _PATIENCE
        try:
            response = super().request(*arguments, **options)
        except kfp_server_api.ApiException as error:
            if not error.status:  # so it wraps what TLS says
                fix = "Name the certificate of its authority in SSL_CERT_FILE."
                raise CorallineError(_line(error.reason), where=self._host, fix=fix) from error
            raise ApiError(error.status, _said(error.body) or _line(error.reason)) from error
        except HTTPError as error:
            raise ApiError(0, _line(error)) from error
        kind = response.getheader("Content-Type") or "nothing"
        if not kind.startswith("application/json"):
            what = f"not the API of Kubeflow Pipelines: it answers with {kind}"
            fix = "Set kubernetes.endpoint to where /apis/v2beta1/healthz answers."
            raise CorallineError(what, where=self._host, fix=fix)
        return response

    @property
    def _host(self) -> str:
        return str(self.configuration.host)


def _said(body: bytes | None) -> str:
    """The message in an answer: of the API, of its uploads, or of Kubernetes before it."""
    try:
        answer = json.loads(body or b"")
    except ValueError:
        return ""
    said = answer if isinstance(answer, dict) else {}
    return _line(said.get("message") or said.get("error_message") or said.get("error") or "")


def _line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def connect(endpoint: str | None) -> Connection:
    """Find the way. Nothing is asked yet.

    Args:
        endpoint: The URL of the API, if the project file says one.

    Raises:
        CorallineError: No URL is given, and kubectl is not set up for a cluster either.
    """
    configuration = kfp_server_api.Configuration()
    configuration.retries = False  # is seen to where it is known what may be asked twice
    configuration.ssl_ca_cert = os.environ.get("SSL_CERT_FILE")
    endpoint = (endpoint or os.environ.get(ENDPOINT) or "").rstrip("/")
    forwarded, login = False, f"Put a token into {TOKEN}."
    if endpoint:
        configuration.host = place = ui = endpoint
        _use_token(configuration)
    elif "KUBERNETES_SERVICE_HOST" in os.environ:
        configuration.host = place = ui = _SERVICE
        _use_token(configuration)
    else:
        place, ui, forwarded = _use_cluster(configuration), _FORWARDED, True
        login = "See whether kubectl is let in: kubectl auth whoami."
    if UI_ENDPOINT in os.environ:
        ui, forwarded = os.environ[UI_ENDPOINT].rstrip("/"), False
    return Connection(place, ui, login, forwarded, _Client(configuration))


def _use_token(configuration: kfp_server_api.Configuration) -> None:
    """Say who we are with each request, where there is a token: one in a file is replaced."""
    given = os.environ.get(TOKEN)
    file = Path(os.environ.get(_TOKEN_FILE) or _POD_TOKEN)
    if not given and not file.exists():
        return

    def renew(configuration: kfp_server_api.Configuration) -> None:
        configuration.api_key["authorization"] = given or file.read_text(encoding="ascii").strip()

    configuration.api_key_prefix["authorization"] = "Bearer"
    configuration.refresh_api_key_hook = renew
    renew(configuration)


def _use_cluster(configuration: kfp_server_api.Configuration) -> str:
    """Go through the current cluster's API server, as kubectl's user; returns the context."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what its own dependencies have done away with
        from kubernetes import client, config

    cluster = client.Configuration()
    try:
        _, current = config.list_kube_config_contexts()
        config.load_kube_config(client_configuration=cluster)
    except config.ConfigException as error:
        raise CorallineError(
            f"no way to Kubeflow Pipelines is known: {_line(error).rstrip('.')}",
            fix=f"Set kubernetes.endpoint or {ENDPOINT} to its URL, or set up kubectl.",
        ) from error

    def renew(configuration: kfp_server_api.Configuration) -> None:
        configuration.api_key["authorization"] = cluster.get_api_key_with_prefix("authorization")

    # Not loaded into `configuration` itself: with each new token the host would be the bare one.
    configuration.host = cluster.host + _THROUGH_CLUSTER
    for name in ("verify_ssl", "ssl_ca_cert", "cert_file", "key_file"):
        setattr(configuration, name, getattr(cluster, name))
    if "authorization" in cluster.api_key:
        configuration.refresh_api_key_hook = renew
        renew(configuration)
    return f"kubectl's context {current['name']}"
