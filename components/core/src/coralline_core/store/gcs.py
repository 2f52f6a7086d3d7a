"""A store in a bucket of Google Cloud Storage."""

from __future__ import annotations

import base64
import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import google.auth.exceptions
import google_crc32c
import requests
from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RetryError,
)
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from coralline_core.errors import CorallineError
from coralline_core.store.protocol import Stat, Stored, checked
from coralline_core.store.ranged import open_ranged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from google.api_core.retry import Retry

_EMULATOR = "STORAGE_EMULATOR_HOST"
_CONNECTIONS = 32
_CHUNK_BYTES = 16 << 20  # of an upload; a chunk is held in memory until the service has it
_ATTEMPTS = 10
_LISTED = "items(name),nextPageToken"

# With backoff and jitter, and resuming where a body broke off.
_PATIENTLY = DEFAULT_RETRY.with_delay(initial=0.2, maximum=10, multiplier=2).with_timeout(120)
_BRIEFLY = DEFAULT_RETRY.with_delay(initial=0.2, maximum=2, multiplier=2).with_timeout(10)


def _begin_anew(error: Exception) -> bool:
    """Whether a file is to be sent again: the service has forgotten the upload, or got it wrong."""
    if isinstance(error, GoogleAPICallError) and error.response is not None:
        return error.code in (404, 410) and "upload_id=" in error.response.url
    return isinstance(error, DataCorruption)


class GcsStore:
    """See Store. Compare-and-swap is by generation.

    The service holds what is written against its CRC32C before it counts, and `get` what comes.

    Args:
        bucket: Its name.
        prefix: What all keys begin with.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.uri = f"gs://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        with self._failures("cannot be opened"):
            # The project is named only because the library wants one: objects have none.
            project = os.environ.get("GOOGLE_CLOUD_PROJECT", "coralline")
            anonymous = AnonymousCredentials() if _EMULATOR in os.environ else None
            client = storage.Client(project=project, credentials=anonymous)
            # The library's session keeps ten connections, and warns of each more.
            adapter = HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)
            for scheme in ("https://", "http://"):
                client._http.mount(scheme, adapter)
            self._bucket = client.bucket(bucket)

    def get(self, key: str) -> Stored | None:
        """See Store."""
        with self._failures(f"cannot read {key}"):
            for _ in range(_ATTEMPTS):
                blob = self._blob(key)
                if blob is None:
                    return None
                try:
                    data = blob.download_as_bytes(
                        raw_download=True,
                        if_generation_match=blob.generation,
                        checksum=None,
                        retry=_PATIENTLY,
                    )
                except (NotFound, PreconditionFailed):
                    continue  # it was replaced between the two requests
                # The library would not check what it had to fetch in two parts.
                if blob.crc32c != _crc32c(data):
                    raise self._corrupt(key)
                return Stored(data, str(blob.generation))
        raise CorallineError(f"{key} changes all the time", where=self.uri, fix="Try again later.")

    def put(self, key: str, data: bytes | Path) -> None:
        """See Store. A file goes up in chunks of 16 MB, and appears when all are there."""
        with self._failures(f"cannot write {key}"):
            if isinstance(data, Path):
                _PATIENTLY.with_predicate(_begin_anew)(self._upload_file)(key, data)
            else:
                self._upload(key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """See Store."""
        with self._failures(f"cannot write {key}"):
            return self._put_if(key, data, etag, _PATIENTLY)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See Store."""
        start = {"start_offset": self._prefix + after} if after else {}
        with self._failures(f"cannot list {prefix}"):
            for blob in self._bucket.list_blobs(
                prefix=self._prefix + prefix, fields=_LISTED, retry=_PATIENTLY, **start
            ):
                key = str(blob.name).removeprefix(self._prefix)
                if not key.startswith(".") and key != after:
                    yield key

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        with self._failures(f"cannot read {key}"):
            blob = self._blob(key)
        if blob is None:
            raise CorallineError(
                f"{key} is missing", where=self.uri, fix="Run again, or restore the object."
            )

        def read(start: int, stop: int) -> bytes:
            with self._failures(f"cannot read {key}"):
                data: bytes = blob.download_as_bytes(
                    start=start,
                    end=stop - 1,
                    raw_download=True,
                    if_generation_match=blob.generation,
                    checksum=None,
                    retry=_PATIENTLY,
                )
            return data

        return open_ranged(blob.size, read)

    def stat(self, key: str) -> Stat | None:
        """See Store."""
        with self._failures(f"cannot read {key}"):
            blob = self._blob(key)
        return blob and Stat(blob.size, blob.updated)

    def delete(self, key: str) -> None:
        """See Store."""
        with self._failures(f"cannot delete {key}"):
            try:
                self._bucket.blob(self._name(key)).delete(retry=_PATIENTLY)
            except NotFound:
                return

    def sweep(self, before: datetime) -> int:  # noqa: ARG002 - see below
        """See Store. There is nothing to do: the service forgets unfinished uploads in a week."""
        return 0

    def check_writable(self) -> None:
        """See Store. Generations are a part of Google's service: none ignores them."""
        key = f".check/{uuid.uuid4().hex}"
        with self._failures("the store cannot be written"):
            self._put_if(key, b"", None, _BRIEFLY)
            self._bucket.blob(self._name(key)).delete(retry=_BRIEFLY)

    def _put_if(self, key: str, data: bytes, etag: str | None, retry: Retry) -> bool:
        ours = {"writer": uuid.uuid4().hex}
        try:
            self._upload(key, data, ours, if_generation_match=int(etag or 0), retry=retry)
        except (PreconditionFailed, NotFound):
            # Where the answer to a first try was lost, that try is what is in the way now.
            blob = self._blob(key)
            return blob is not None and blob.metadata == ours
        return True

    def _blob(self, key: str) -> storage.Blob | None:
        return self._bucket.get_blob(self._name(key), retry=_PATIENTLY)

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)

    def _upload_file(self, key: str, path: Path) -> None:
        blob = self._bucket.blob(self._name(key), chunk_size=_CHUNK_BYTES)
        blob.upload_from_filename(str(path), checksum="crc32c", retry=_PATIENTLY)

    def _upload(
        self, key: str, data: bytes, metadata: dict[str, str] | None = None, **options: Any
    ) -> None:
        blob = self._bucket.blob(self._name(key))
        blob.metadata = metadata
        options = {"checksum": "crc32c", "retry": _PATIENTLY, **options}
        blob.upload_from_string(data, content_type="application/octet-stream", **options)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except google.auth.exceptions.DefaultCredentialsError as error:
            raise CorallineError(
                "no credentials for Google Cloud",
                where=self.uri,
                fix="Run `gcloud auth application-default login`, or use Workload Identity.",
            ) from error
        except (
            DataCorruption,
            GoogleAPIError,
            google.auth.exceptions.GoogleAuthError,
            requests.RequestException,
            OSError,
        ) as error:
            why = error.cause if isinstance(error, RetryError) else error
            fix = "Check the bucket's name, the credentials and their permissions."
            line = " ".join(f"{what}: {why}".split()).rstrip(".")
            raise CorallineError(line, where=self.uri, fix=fix) from error

    def _corrupt(self, key: str) -> CorallineError:
        return CorallineError(
            f"cannot read {key}: it is not what was written, its checksum says",
            where=self.uri,
            fix="Restore the object, or delete it and run again.",
        )


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
