"""Of Kubernetes' objects what one needs to see how a run fares, as the API's JSON has it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Object(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Metadata(_Object):
    """What an object is called."""

    name: str
    creation_timestamp: datetime
    labels: dict[str, str] = Field(default_factory=dict)


class Condition(_Object):
    """One thing that holds of an object, or not."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Waiting(_Object):
    """A container that has yet to start."""

    reason: str = ""
    message: str = ""


class Terminated(_Object):
    """A container that has ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    """The log's last lines, where it ended badly."""


class ContainerState(_Object):
    """One of these is given."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Object):
    """How a container fares."""

    state: ContainerState = ContainerState()


class PodStatus(_Object):
    """How a pod fares."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Object):
    """A pod of one container."""

    metadata: Metadata
    status: PodStatus = PodStatus()

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def waiting(self) -> Waiting | None:
        """Why its container has yet to start, if Kubernetes says so."""
        return next((one.state.waiting for one in self.status.container_statuses), None)

    @property
    def terminated(self) -> Terminated | None:
        """How its container ended, if it has."""
        return next((one.state.terminated for one in self.status.container_statuses), None)

    def condition(self, kind: str) -> Condition | None:
        """What is said of the pod under a condition's name."""
        return next((one for one in self.status.conditions if one.type == kind), None)


class JobStatus(_Object):
    """How a Job fares."""

    conditions: tuple[Condition, ...] = ()


class Job(_Object):
    """A Job."""

    metadata: Metadata
    status: JobStatus = JobStatus()

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def complete(self) -> bool:
        """Whether it has ended well."""
        return self._true("Complete") is not None

    @property
    def failed(self) -> Condition | None:
        """Why it has failed, if it has."""
        return self._true("Failed")

    def _true(self, kind: str) -> Condition | None:
        found = (one for one in self.status.conditions if one.type == kind)
        return next((one for one in found if one.status == "True"), None)


class Event(_Object):
    """Something that happened to an object."""

    reason: str = ""
    message: str = ""
