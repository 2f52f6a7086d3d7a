"""The project file's `kubernetes:` section: where the steps run on a cluster, and with how much."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from coralline_core.settings import Settings
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=30)


def seconds(span: str) -> int:
    """How long a span such as `30m` is, in seconds."""
    return int(timedelta(**{_UNITS[span[-1]]: int(span[:-1])}).total_seconds())


def _within_the_longest(span: str) -> str:
    if seconds(span) > _LONGEST.total_seconds():
        raise ValueError(f"is `{span}`, and may be {_LONGEST.days}d at most")
    return span


def _fitting(pattern: str, what: str) -> AfterValidator:
    """As a `pattern` of pydantic's, where the pattern alone would tell nobody what is meant."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"`{text}` is {what}")
        return text

    return AfterValidator(check)


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""What Kubernetes takes for a name: lower-case letters, digits, hyphens and dots."""

Cores = Annotated[str, Field(pattern=r"^([0-9]+m|[0-9]+(\.[0-9]{1,3})?)$")]
"""Cores as Kubernetes writes them: `2`, `0.5`, `500m` (half a core, too)."""

Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Ki|[MGT]i?)$")]
"""Memory as Kubernetes and Kubeflow both write it: `512Mi`, `4Gi`, `4G`."""

Span = Annotated[
    str, Field(pattern=r"^[1-9][0-9]{0,6}[smhd]$"), AfterValidator(_within_the_longest)
]
"""A span of time, 30 days at most: `90s`, `30m`, `6h`, `1d`."""

Variable = Annotated[
    str,
    _fitting(
        "[A-Za-z_][A-Za-z0-9_]*",
        "no environment variable's name: letters, digits and underscores, and no digit first",
    ),
]
"""The name of an environment variable."""

_WORD = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_OF_WORDS = "63 letters, digits, `-`, `_` and `.` at most, the first and the last no sign"

Label = Annotated[
    str,
    _fitting(
        f"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_WORD}",
        f"no label's name: {_OF_WORDS}, and before them a domain with a slash or nothing",
    ),
]
"""A label's name, with a domain before it or without: `cloud.google.com/gke-spot`, `pool`."""

LabelValue = Annotated[str, _fitting(f"({_WORD})?", f"no label's value: {_OF_WORDS}")]
"""A label's value; it may be empty."""

StepName = Literal["crawl", "curate", "crop", "train", "convert", "compile", "publish"]


class Toleration(Settings):
    """A taint of nodes that the steps' pods tolerate."""

    key: str | None = None
    """The taint's key; every key if nothing is said, with `Exists`."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether its value must be the same, or its key only."""
    value: str | None = None
    """The taint's value, with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; every effect if nothing is said."""

    @model_validator(mode="after")
    def _is_one_that_kubernetes_takes(self) -> Self:
        if self.operator == "Equal" and self.key is None:
            raise ValueError("`operator: Equal` needs a `key`; `Exists` tolerates all taints")
        if self.operator == "Exists" and self.value:
            raise ValueError("`value` goes with `operator: Equal` only; leave either out")
        return self


class StepResources(Settings):
    """What a step's pod gets. What is not said is as the table in docs/kubernetes.md has it."""

    cpu: Cores | None = None
    """Cores that are set aside for it; no more than `cpu_limit`."""
    cpu_limit: Cores | None = None
    """Cores that it may use at most; by default as many as the node has to spare."""
    memory: Memory | None = None
    """Memory that is set aside for it; with more, it is killed."""
    accelerator: str | None = Field(default=None, min_length=1)
    """A device that it gets, by the resource's name on the nodes: `nvidia.com/gpu`."""
    accelerator_count: int | None = Field(default=None, ge=1)
    """How many of them; one if nothing is said."""
    shm: Memory | None = None
    """The size of `/dev/shm`, which counts as memory."""
    timeout: Span | None = None
    """How long it may take at most; `30d` is the most. Of plain Jobs it counts from the run's
    begin: to it are added those of the steps before, and waiting for a node is within it."""
    node_selector: dict[Label, LabelValue] = Field(default_factory=dict)
    """Labels that its node must have, beside those of all steps."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.accelerator_count and not self.accelerator:
            raise ValueError("`accelerator_count` needs `accelerator`, the device's name")
        if self.cpu and self.cpu_limit and _exceeds(self.cpu, self.cpu_limit):
            raise ValueError(f"`cpu` is {self.cpu}, more than `cpu_limit`, {self.cpu_limit}")
        return self

    def over(self, default: StepResources) -> StepResources:
        """These resources, with what is not said taken from a default.

        Of cores no more are set aside than it may use.
        """
        said = self.model_dump(exclude_none=True)
        if self.cpu_limit and default.cpu and _exceeds(default.cpu, self.cpu_limit):
            said = {"cpu": self.cpu_limit, **said}
        return StepResources.model_validate({**default.model_dump(exclude_none=True), **said})


def _exceeds(cores: str, others: str) -> bool:
    return _milli(cores) > _milli(others)


def _milli(cores: str) -> Decimal:
    return Decimal(cores[:-1]) if cores.endswith("m") else 1000 * Decimal(cores)


DEFAULTS: dict[StepName, StepResources] = {
    "crawl": StepResources(cpu="250m", memory="1Gi", timeout="6h"),
    "curate": StepResources(cpu="250m", memory="2Gi", timeout="2h"),
    "crop": StepResources(cpu="500m", memory="2Gi", timeout="6h"),
    "train": StepResources(cpu="500m", memory="4Gi", shm="256Mi", timeout="12h"),
    "convert": StepResources(cpu="500m", memory="3Gi", timeout="2h"),
    "compile": StepResources(cpu="250m", memory="2Gi", timeout="1h"),
    "publish": StepResources(cpu="250m", memory="1Gi", timeout="1h"),
}
"""What a step gets that the project file says nothing of."""


class ReviewerSettings(Settings):
    """The reviewer's pod, and how people come to its page: see docs/review.md."""

    hosts: tuple[Name, ...] = ()
    """Names by which the page is reached, beside `localhost`: that of an ingress."""
    who_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """The header in which an ingress that people log in to says who asks, such as
    `X-Forwarded-Email`: corrections are kept under that name, and whoever comes without it is
    refused. The ingress must take the header out of what it is sent."""
    cpu: Cores = "100m"
    """Cores that are set aside for it."""
    memory: Memory = "1Gi"
    """Memory that is set aside for it; with more, it is killed."""


class KubernetesSettings(Settings):
    """Where the steps run on a cluster, and with how much. Runs on this machine leave it aside."""

    images: Path | None = None
    """The file that says each step's image, as `make images` and `make push` write it;
    by default the file that CORALLINE_IMAGES names, or `images/built.json`. `coralline run --in
    docker` takes it from here, too."""
    namespace: Name = "coralline"
    """Where plain Jobs run: the namespace of `k8s/`. Kubeflow Pipelines runs in its own."""
    endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """The URL of the Kubeflow Pipelines API; by default the environment's KF_PIPELINES_ENDPOINT, or
    the service `ml-pipeline` of the current cluster."""
    pipeline_root: str | None = Field(default=None, pattern=r"^(gs|s3|minio)://")
    """Where Kubeflow Pipelines keeps the artifacts of runs; by default as it is installed."""
    service_account: Name | None = None
    """The service account of the steps' pods, to which the cloud's identity is bound; by default
    `coralline` for Jobs, and Kubeflow Pipelines' own there."""
    secret: Name | None = None
    """A Secret whose keys reach the steps as environment variables, such as AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY; none where the cluster's identity opens the store."""
    secret_keys: tuple[Variable, ...] = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    """Which keys of it."""
    environment: dict[Variable, str] = Field(default_factory=dict)
    """Environment variables of all steps, such as STORAGE_EMULATOR_HOST. No secrets."""
    pull_secrets: tuple[Name, ...] = ()
    """Secrets with which the images are pulled."""
    node_selector: dict[Label, LabelValue] = Field(default_factory=dict)
    """Labels that the steps' nodes must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the steps tolerate."""
    retries: int = Field(default=2, ge=0, le=20)
    """How often a step is tried again whose pod was lost; as a Job, also one that broke. Kubeflow
    Pipelines tries those again only where it is installed so: see docs/kubeflow.md."""
    backoff: Span = "30s"
    """How long the first of these waits; each next one waits twice as long. Jobs wait as
    Kubernetes has it: 10 s, 20 s, and so on."""
    steps: dict[StepName, StepResources] = Field(default_factory=dict)
    """What a step's pod gets, by step."""
    reviewer: ReviewerSettings = ReviewerSettings()
    """The page where people review crops, where it is deployed."""

    @field_validator("images")
    @classmethod
    def _lies_beside_the_project_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return Path(info.context["folder"], path) if path and info.context else path

    def resources(self, step: StepName) -> StepResources:
        """What a step's pod gets, defaults and the selectors of all steps included."""
        full = self.steps.get(step, StepResources()).over(DEFAULTS[step])
        return full.model_copy(update={"node_selector": self.node_selector | full.node_selector})
