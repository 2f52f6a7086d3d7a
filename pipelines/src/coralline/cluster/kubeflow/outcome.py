"""What a run on Kubeflow Pipelines has come to, in the words of its steps.

They are in the logs, which Kubeflow keeps. So whoever may see a run is told what came of it, and
needs neither credentials for the place of its artifacts nor a way into the cluster.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from coralline_core.errors import CorallineError

from coralline.cluster.kubeflow import pods
from coralline.cluster.kubeflow.connection import NAMESPACE
from coralline.cluster.kubeflow.watch import state_of, steps_of

if TYPE_CHECKING:
    from kfp_server_api import V2beta1Run

    from coralline.cluster.kubeflow.client import Kubeflow
    from coralline.cluster.kubeflow.watch import StepState

_SUMMARY = re.compile(r"^publish +summary: (\{.*\})$", re.MULTILINE)
_ERROR = re.compile(r"^\w+ +error: (.+)$", re.MULTILINE)
_LAUNCHER_S = re.compile(r"^F\d{4} .* main\.go:\d+\] (.+)$", re.MULTILINE)  # what ended it
_LONGEST = 300  # characters of what others say


def read_summary(kubeflow: Kubeflow, run: V2beta1Run) -> dict[str, Any]:
    """What the summary.json of a run says that ended well.

    Raises:
        CorallineError: The log of its last step is not kept, or cut; or Kubeflow does not give it.
    """
    said = _last(_SUMMARY, _log(kubeflow, run, steps_of(run)[-1]))
    if said is None:
        raise CorallineError("no log of `publish` says it")
    try:
        summary: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise CorallineError("the log of `publish` is garbled where it says it") from error
    return summary


def failure(kubeflow: Kubeflow, run: V2beta1Run) -> str | None:
    """Why a run that is over did not end well, and what to do; None where it did."""
    if run.state == "SUCCEEDED":
        return None
    if state_of(run) == "CANCELED":
        return "the run was cancelled. Submit it again to go on."
    step = next((one for one in steps_of(run) if one.state == "failed"), None)
    if step is None:
        what = (run.error and run.error.message) or "the run failed before a step began"
        where = f"-n {NAMESPACE} -l pipeline/runid={run.run_id}"
        return f"{what}. See why: kubectl describe workflow {where}"
    return f"{step.step} failed{_reason(kubeflow, run, step)}"


def _reason(kubeflow: Kubeflow, run: V2beta1Run, step: StepState) -> str:
    seen = pods.look(run.run_id)
    if seen and (ended := seen.ended.get(step.step)):
        more = f". Give it more: kubernetes.steps.{step.step}.memory."
        return f": {ended}{more if 'out of memory' in ended else ''}"
    log = ""
    with suppress(CorallineError):  # then it is named where there is more
        log = _log(kubeflow, run, step)
    if error := _last(_ERROR, log):
        return f": {error}"
    launcher = shorten(_last(_LAUNCHER_S, log) or "", _LONGEST, placeholder="…")
    reason = f": {launcher}" if launcher else ""
    return f"{reason}. Its log is on that page; {pods.command(run.run_id)}."


def _log(kubeflow: Kubeflow, run: V2beta1Run, step: StepState) -> str:
    return (step.node and kubeflow.log(run.run_id, step.node)) or ""


def _last(said: re.Pattern[str], log: str) -> str | None:
    found = said.findall(log)
    return found[-1] if found else None
