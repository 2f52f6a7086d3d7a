"""The pipeline in containers on this machine: what each of them sees, and how they are ended.

Docker runs them, on the network of this machine and as the person who runs the pipeline, so that a
store, an image site and what is written are the same as without containers. They see the run's
folder, the store if it is a folder, and what the project file names; nothing else can be written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from coralline_core.errors import CorallineError
from coralline_core.progress import ENVIRONMENT
from pydantic import BaseModel, ConfigDict

from coralline.cluster.portable import local_files
from coralline.images import read_images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.models.containers import Container

    from coralline.project import Project

_LABEL = "coralline.store"
_PATIENCE = 20  # s that interrupted steps have to keep what they have
_TEMPORARY = "size=1g,mode=1777"
_SHARED_MEMORY = "256m"
# Files that libraries read, and where they look for them if the environment does not say.
_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
    "GOOGLE_APPLICATION_CREDENTIALS": "~/.config/gcloud/application_default_credentials.json",
    "AWS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "SSL_CERT_FILE": "",
}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_HANDED_ON = (
    *("AWS_", "GOOGLE_", "GCLOUD_", "STORAGE_EMULATOR_HOST", "PYTHONUNBUFFERED", "TMPDIR"),
    *(*_FILES, *_PROXIES, *map(str.lower, _PROXIES)),
)


class Containers(BaseModel):
    """What the containers of a run share: written to a file for the process that runs them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: dict[str, str]
    """Each step's image."""
    store: str
    """The store's URI, by which the containers are found again."""
    read: tuple[Path, ...]
    """Files and folders that they may read."""
    written: tuple[Path, ...]
    """Folders that they may write to."""

    def writing_to(self, folder: Path) -> Containers:
        """The same, with a run's folder that they may write to."""
        return self.model_copy(update={"written": (folder.resolve(), *self.written)})

    def runner(self) -> Any:
        """Docker's runner of `kfp.local`."""
        from docker.types import Mount
        from kfp import local

        for place in self.written:
            place.mkdir(parents=True, exist_ok=True)  # Docker mounts only what is there
        files = _files()
        read = [*self.read, *map(Path, files.values())]
        return local.DockerRunner(
            user=f"{os.getuid()}:{os.getgid()}",
            network_mode="host",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": _TEMPORARY},  # noqa: S108 - the container's own
            shm_size=_SHARED_MEMORY,
            labels={_LABEL: self.store},
            environment={**_environment(), **files},
            mounts=[
                Mount(str(path), str(path), "bind", read_only=path in read)
                for path in dict.fromkeys((*self.written, *read))
            ],
        )

    def stop(self) -> None:
        """Interrupt the steps of this store that are at work, and wait until they have ended."""
        with _docker() as docker:
            for container in docker.containers.list(filters={"label": f"{_LABEL}={self.store}"}):
                _stop(container)


def prepare(project: Project) -> Containers:
    """See that Docker and the images are there, and say what a project's containers see.

    Raises:
        CorallineError: Docker cannot be reached, or it has not an image and cannot pull it.
    """
    store = project.open_store().uri
    images = read_images(project.kubernetes.images)
    with _docker() as docker:
        for image in dict.fromkeys(images.values()):
            _require(docker, image)
    return Containers(
        images=images,
        store=store,
        read=tuple(path for _, path in local_files(project)),
        written=(Path(unquote(urlsplit(store).path)),) if store.startswith("file://") else (),
    )


@contextmanager
def _docker() -> Iterator[DockerClient]:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        fix = "Start it, or let your user into its group; or run without --in docker."
        where = os.environ.get("DOCKER_HOST", "Docker")
        raise CorallineError("Docker does not answer", where=where, fix=fix) from error
    try:
        yield client
    finally:
        client.close()


def _require(docker: DockerClient, image: str) -> None:
    from docker.errors import APIError, ImageNotFound

    try:
        try:
            docker.images.get(image)
        except ImageNotFound:
            docker.images.pull(image)
    except APIError as error:
        what = f"Docker does not have this image, and could not pull it: {error.explanation}"
        raise CorallineError(what, where=image, fix="Build the images: make images.") from error


def _stop(container: Container) -> None:
    """End a step as Ctrl-C does.

    Docker would tell only the first process, and that is a shell which does not tell its child.
    """
    from docker.errors import APIError, NotFound

    with suppress(NotFound):
        with suppress(APIError):  # it has just ended
            container.exec_run(["sh", "-c", "kill -INT -1"])
        with suppress(OSError):  # not in time
            container.wait(timeout=_PATIENCE)
        with suppress(APIError):
            container.kill()


def _environment() -> dict[str, str]:
    handed_on = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
    return handed_on | {ENVIRONMENT: os.environ[ENVIRONMENT]}


def _files() -> dict[str, str]:
    """The files with this machine's credentials and certificates, by the variable that names them.

    What is not there is not mounted: the step then says so, as it does outside of a container.
    """
    named = {name: os.environ.get(name) or default for name, default in _FILES.items()}
    paths = {name: Path(path).expanduser().resolve() for name, path in named.items() if path}
    return {name: str(path) for name, path in paths.items() if path.exists()}
