"""The project file's `kubernetes:` section: where the steps run on a cluster, and with how much."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from coralline_core.settings import Settings
from pydantic import Field, ValidationInfo, field_validator

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""What Kubernetes takes for a name: lower-case letters, digits, hyphens and dots."""

Cores = Annotated[str, Field(pattern=r"^([0-9]+m|[0-9]+(\.[0-9]{1,3})?)$")]
"""Cores as Kubernetes writes them: `2`, `0.5`, `500m` (half a core, too)."""

Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Ki|[MGT]i?)$")]
"""Memory as Kubernetes and Kubeflow both write it: `512Mi`, `4Gi`, `4G`."""

Span = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[smhd]$")]
"""A span of time: `90s`, `30m`, `6h`, `1d`."""


StepName = Literal["crawl", "curate", "crop", "train", "convert", "compile", "publish"]


def seconds(span: str) -> int:
    """How long a span such as `30m` is, in seconds."""
    return int(timedelta(**{_UNITS[span[-1]]: int(span[:-1])}).total_seconds())


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


class StepResources(Settings):
    """What a step's pod gets. What is not said is as the table in docs/kubernetes.md has it."""

    cpu: Cores | None = None
    """Cores that are set aside for it."""
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
    """How long it may take at most, waiting for a node included."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that its node must have, beside those of all steps."""

    def over(self, default: StepResources) -> StepResources:
        """These resources, with what is not said taken from a default."""
        said = self.model_dump(exclude_none=True)
        return StepResources.model_validate({**default.model_dump(exclude_none=True), **said})


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
    secret_keys: tuple[str, ...] = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    """Which keys of it."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables of all steps, such as STORAGE_EMULATOR_HOST. No secrets."""
    pull_secrets: tuple[Name, ...] = ()
    """Secrets with which the images are pulled."""
    node_selector: dict[str, str] = Field(default_factory=dict)
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

    @field_validator("images")
    @classmethod
    def _lies_beside_the_project_file(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return Path(info.context["folder"], path) if path and info.context else path

    def resources(self, step: StepName) -> StepResources:
        """What a step's pod gets, defaults and the selectors of all steps included."""
        full = self.steps.get(step, StepResources()).over(DEFAULTS[step])
        return full.model_copy(update={"node_selector": self.node_selector | full.node_selector})
