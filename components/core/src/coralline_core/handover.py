"""What steps hand to each other where they share nothing but the store.

On Kubeflow and on one machine, artifacts are files that the pipeline's runner brings to a step and
takes from it. A plain Kubernetes Job has nobody who would: there a run's artifacts lie in the
store, and each step waits for those that it needs.

    runs/<run>/<step>/<attempt>/<artifact>[/<file>]   what an attempt made: a file, or a folder
    runs/<run>/<step>.json                            which attempt counts, or why the step failed

The record is written last, and only once: of two pods of one step, as there may be where a node is
lost, the first to end counts, and the other's files are never read.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from coralline_core.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coralline_core.store import Store

RUNS = "runs/"
"""Where they lie."""

_LOOK = 2.0  # s between two looks for what another step makes
_CHUNK = 1 << 20


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Its path in the artifact's folder; empty where the artifact is a file."""
    key: str
    sha256: str


class _Failure(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    """The step that failed: those that waited for it hand its failure on."""
    what: str
    where: str | None = None
    fix: str | None = None
    exit_code: int


class _Record(Report):
    """How a step of a run ended."""

    artifacts: dict[str, tuple[_File, ...]] = Field(default_factory=dict)
    failure: _Failure | None = None


class _WaitedInVainError(CorallineError):
    """What was waited for will not come: its step failed."""

    def __init__(self, failure: _Failure) -> None:
        super().__init__(f"{failure.step} failed: {failure.what}", where=failure.where)
        self.failure = failure
        self.fix = failure.fix
        self.exit_code = failure.exit_code


class Handover:
    """The artifacts of one run, in the store.

    Args:
        store: Where they lie.
        run: The run's name: letters, digits, `.`, `-` and `_`.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._folder = f"{RUNS}{run}/"
        self._records: dict[str, _Record] = {}

    def has(self, step: str) -> bool:
        """Whether a step has ended well."""
        stored = self._store.get(self._record(step))
        return stored is not None and self._parsed(step, stored.data).failure is None

    def wait(self, steps: Iterable[str]) -> None:
        """Wait until steps have ended well.

        Raises:
            CorallineError: One of them has failed.
        """
        for step in steps:
            while (stored := self._store.get(self._record(step))) is None:
                time.sleep(_LOOK)
            record = self._parsed(step, stored.data)
            if record.failure:
                raise _WaitedInVainError(record.failure)
            self._records[step] = record

    def fetch(self, step: str, artifact: str, path: Path) -> None:
        """Bring an artifact of a step that was waited for to a path, a file or a folder.

        Raises:
            CorallineError: The step has no such artifact, or it is not what was written.
        """
        files = self._records[step].artifacts.get(artifact)
        if files is None:
            where = self._record(step)
            raise CorallineError(f"{step} made no {artifact}", where=where)
        for file in files:
            target = path / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            self._download(file, target)

    def deliver(self, step: str, artifacts: Mapping[str, Path]) -> bool:
        """Put what a step made into the store, for others to fetch.

        Args:
            step: The step.
            artifacts: Files and folders by name.

        Returns:
            Whether this attempt counts: False where another of the same step has ended before.

        Raises:
            CorallineError: There is no such file, or the store cannot be written.
        """
        attempt = f"{self._folder}{step}/{uuid.uuid4().hex[:12]}"
        for name, path in artifacts.items():
            if not path.exists():
                raise CorallineError(f"{step} made no {name}", where=str(path))
        files = {
            name: tuple(self._upload(path, one, f"{attempt}/{name}") for one in _files(path))
            for name, path in artifacts.items()
        }
        return self._settle(step, _Record(artifacts=files))

    def fail(self, step: str, error: CorallineError) -> None:
        """Say why a step failed, so that nobody waits for it."""
        if isinstance(error, _WaitedInVainError):
            failure = error.failure
        else:
            failure = _Failure(
                step=step,
                what=error.what,
                where=error.where,
                fix=error.fix,
                exit_code=error.exit_code,
            )
        self._settle(step, _Record(failure=failure))

    def _settle(self, step: str, record: _Record) -> bool:
        """Write a step's record over a failure's, never over a success."""
        data = record.model_dump_json(indent=1).encode()
        while True:
            before = self._store.get(self._record(step))
            if before is not None and self._parsed(step, before.data).failure is None:
                return False
            if self._store.put_if(self._record(step), data, before and before.etag):
                return True

    def _record(self, step: str) -> str:
        return f"{self._folder}{step}.json"

    def _parsed(self, step: str, data: bytes) -> _Record:
        try:
            return _Record.model_validate_json(data)
        except ValidationError as error:
            what = f"not how a step ended: {error.errors()[0]['msg']}"
            fix = "Delete the object: the step is then done again."
            raise CorallineError(what, where=self._record(step), fix=fix) from error

    def _upload(self, artifact: Path, file: Path, key: str) -> _File:
        name = "" if file == artifact else file.relative_to(artifact).as_posix()
        key = f"{key}/{name}" if name else key
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        self._store.put(key, file)
        return _File(name=name, key=key, sha256=digest)

    def _download(self, file: _File, target: Path) -> None:
        digest = hashlib.sha256()
        with self._store.open(file.key) as source, target.open("wb") as opened:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                opened.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise CorallineError("not what was written", where=file.key, fix="Run it anew.")


def dataset_file(store: str, dataset: str) -> Path:
    """Bring the manifest of a dataset, which is named by its id, to a file of its own.

    A pipeline hands a dataset on by its id where the step is cached: Kubeflow knows an artifact by
    its number in a database, which is new each time, and an id by what is in the dataset.

    Args:
        store: The URI of the store that keeps the dataset.
        dataset: The dataset's id.

    Raises:
        CorallineError: The store has no such dataset.
    """
    kept = open_store(store).get(key := f"datasets/{dataset}.json")
    if kept is None:
        raise CorallineError("no such dataset", where=key, fix="Run the whole pipeline again.")
    path = Path(tempfile.mkdtemp(), f"{dataset}.json")
    path.write_bytes(kept.data)
    return path


def _files(path: Path) -> list[Path]:
    """The file at a path, or all files of the folder there."""
    return [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
