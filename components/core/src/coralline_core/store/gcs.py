"""A store in a bucket of Google Cloud Storage."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import google.auth.exceptions
import requests
from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from coralline_core.errors import CorallineError
from coralline_core.store.protocol import Stored, checked
from coralline_core.store.ranged import open_ranged

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMULATOR = "STORAGE_EMULATOR_HOST"
_ATTEMPTS = 10


class GcsStore:
    """See Store. Compare-and-swap is by generation.

    Requests that may pass are retried by Google's library, with backoff and jitter, for two
    minutes; what comes and goes is held against its CRC32C.

    Args:
        bucket: Its name.
        prefix: What all keys begin with.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.uri = f"gs://{bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        with self._failures(""):
            # The project is named only because the library wants one: objects have none.
            project = os.environ.get("GOOGLE_CLOUD_PROJECT", "coralline")
            anonymous = AnonymousCredentials() if _EMULATOR in os.environ else None
            client = storage.Client(project=project, credentials=anonymous)
            self._bucket = client.bucket(bucket)

    def get(self, key: str) -> Stored | None:
        """See Store."""
        with self._failures(key):
            for _ in range(_ATTEMPTS):
                blob = self._bucket.get_blob(self._name(key), retry=DEFAULT_RETRY)
                if blob is None:
                    return None
                try:
                    data = blob.download_as_bytes(
                        if_generation_match=blob.generation, retry=DEFAULT_RETRY
                    )
                except (NotFound, PreconditionFailed):
                    continue  # it was replaced between the two requests
                return Stored(data, str(blob.generation))
        raise CorallineError(f"{key} changes all the time", where=self.uri, fix="Try again later.")

    def put(self, key: str, data: bytes | Path) -> None:
        """See Store."""
        with self._failures(key):
            self._upload(key, data)

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """See Store."""
        ours = {"writer": uuid.uuid4().hex}
        with self._failures(key):
            try:
                self._upload(key, data, ours, if_generation_match=int(etag or 0))
            except (PreconditionFailed, NotFound):
                # Where the answer to a first try was lost, that try is what is in the way now.
                blob = self._bucket.get_blob(self._name(key), retry=DEFAULT_RETRY)
                return blob is not None and blob.metadata == ours
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """See Store."""
        with self._failures(prefix):
            for blob in self._bucket.list_blobs(prefix=self._prefix + prefix, retry=DEFAULT_RETRY):
                key = str(blob.name).removeprefix(self._prefix)
                if not key.startswith("."):
                    yield key

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        with self._failures(key):
            blob = self._bucket.get_blob(self._name(key), retry=DEFAULT_RETRY)
        if blob is None:
            raise CorallineError(
                f"{key} is missing", where=self.uri, fix="Run again, or restore the object."
            )

        def read(start: int, stop: int) -> bytes:
            with self._failures(key):
                data: bytes = blob.download_as_bytes(
                    start=start,
                    end=stop - 1,
                    raw_download=True,
                    if_generation_match=blob.generation,
                    retry=DEFAULT_RETRY,
                )
            return data

        return open_ranged(blob.size, read)

    def delete(self, key: str) -> None:
        """See Store."""
        with self._failures(key):
            try:
                self._bucket.blob(self._name(key)).delete(retry=DEFAULT_RETRY)
            except NotFound:
                return

    def check_writable(self) -> None:
        """See Store. Generations are a part of Google's service: none ignores them."""
        key = f".check/{uuid.uuid4().hex}"
        try:
            self.put_if(key, b"", None)
        finally:
            self.delete(key)

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)

    def _upload(
        self,
        key: str,
        data: bytes | Path,
        metadata: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        blob = self._bucket.blob(self._name(key))
        blob.metadata = metadata
        options = {"checksum": "crc32c", "retry": DEFAULT_RETRY, **options}
        if isinstance(data, Path):
            blob.upload_from_filename(str(data), **options)
        else:
            blob.upload_from_string(data, content_type="application/octet-stream", **options)

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except google.auth.exceptions.DefaultCredentialsError as error:
            raise CorallineError(
                "no credentials for Google Cloud",
                where=self.uri,
                fix="Run `gcloud auth application-default login`, or use Workload Identity.",
            ) from error
        except (
            GoogleAPIError,
            google.auth.exceptions.GoogleAuthError,
            requests.RequestException,
            OSError,
        ) as error:
            fix = "Check the bucket's name, the credentials and their permissions."
            what = f"cannot reach {key}: {error}" if key else str(error)
            raise CorallineError(what, where=self.uri, fix=fix) from error
