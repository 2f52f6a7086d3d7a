"""What the API of Kubeflow Pipelines keeps, in the shape in which it gives it back.

It is strict with what it is given: a field that the API does not know, or a thing that is not
there, is refused as the real one refuses it.
"""

import email.parser
import email.policy
import json
import re
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import kfp_server_api as api
import yaml
from kubeflow_graph import NEVER, stamp

# Two fields less than six are what robfig/cron v1 takes; the last is optional.
_CRON = re.compile(r"(@\w+|[\d*?/,\-A-Za-z]+( [\d*?/,\-A-Za-z]+){4,5})")


class Refused(Exception):  # noqa: N818 - it is what happens, not what went wrong
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Records:
    """Pipelines, versions, experiments, runs and recurring runs, by their ids.

    `specs` are the texts of versions, and `deleted` the recurring runs that were, with what was to
    become of their runs. `most_enabled` is how many recurring runs of one name were ever enabled
    at once.
    """

    def __init__(self):
        self.pipelines, self.versions, self.experiments = {}, {}, {}
        self.runs, self.recurring = {}, {}
        self.specs = {}
        self.deleted = []
        self.most_enabled = 0
        self.clock = datetime.now(UTC).replace(microsecond=0)

    def now(self):
        """Another second each time."""
        self.clock += timedelta(seconds=1)
        return stamp(self.clock)

    def create_pipeline(self, wanted):
        if not wanted.get("name"):
            raise Refused(400, "Invalid input error: pipeline's name cannot be empty")
        if any(one["name"] == wanted["name"] for one in self.pipelines.values()):
            raise Refused(409, f"The name {wanted['name']} already exists")
        made = {"pipeline_id": _id(), "created_at": self.now(), **wanted}
        self.pipelines[made["pipeline_id"]] = made
        return made

    def upload(self, query, headers, body):
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
            "created_at": self.now(),
            "pipeline_spec": {"pipeline_spec": spec, "platform_spec": (platform or [{}])[0]},
        }
        self.versions[made["pipeline_version_id"]] = made
        self.specs[made["pipeline_version_id"]] = text
        return made

    def create_experiment(self, wanted):
        if any(one["display_name"] == wanted["display_name"] for one in self.experiments.values()):
            raise Refused(409, f"Already exist error: {wanted['display_name']} already exists")
        made = {"experiment_id": _id(), "created_at": self.now(), "namespace": "kubeflow"}
        self.experiments[made["experiment_id"]] = made | wanted | {"storage_state": "AVAILABLE"}
        return self.experiments[made["experiment_id"]]

    def create_run(self, wanted):
        self._require_what_runs(wanted)
        made = {
            "run_id": _id(),
            "storage_state": "AVAILABLE",
            "created_at": self.now(),
            "scheduled_at": self.now(),
            "finished_at": NEVER,
            "state": "PENDING",
            "service_account": "pipeline-runner",
            **_without_empty_config(wanted),
        }
        self.runs[made["run_id"]] = made
        return made

    def terminate(self, run):
        if run not in self.runs:
            raise Refused(404, f"Failed to terminate run {run}: Run {run} not found")
        if self.runs[run]["state"] in ("SUCCEEDED", "FAILED"):
            raise Refused(400, f"Failed to terminate a run {run}. Row not found")
        self.come_to(run, "CANCELING")
        return {}

    def create_recurring(self, wanted):
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
            "created_at": self.now(),
            "updated_at": self.now(),
            "namespace": "kubeflow",
            "service_account": "pipeline-runner",
            "status": wanted["mode"] + "D",
            **_without_empty_config(wanted),
        }
        self.recurring[made["recurring_run_id"]] = made
        self._count_enabled()
        return made

    def switch(self, one, verb):
        if one not in self.recurring:
            raise Refused(404, f"ResourceNotFoundError: recurring run {one} not found.")
        mode = {"enable": "ENABLE", "disable": "DISABLE"}[verb]
        self.recurring[one] |= {"mode": mode, "status": mode + "D"}
        self._count_enabled()
        return {}

    def delete_recurring(self, one, query):
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

    def checked(self, body, model):
        """A request's body, if it has only the fields of its message."""
        content = json.loads(body)
        self._require_fields(content, model)
        return content

    def _require_fields(self, content, model):
        if unknown := content.keys() - set(model.attribute_map.values()):
            raise Refused(400, f"proto: unknown field {sorted(unknown)}")

    def come_to(self, run, state):
        past = self.runs[run].setdefault("state_history", [])
        if self.runs[run]["state"] != state or not past:
            past.append({"update_time": self.now(), "state": state})
        self.runs[run]["state"] = state
        if state in ("SUCCEEDED", "FAILED"):
            self.runs[run]["finished_at"] = self.now()


def _without_empty_config(wanted):
    config = wanted.get("runtime_config") or {}
    return {k: v for k, v in wanted.items() if k != "runtime_config" or any(config.values())}


def _id():
    return str(uuid.uuid4())
