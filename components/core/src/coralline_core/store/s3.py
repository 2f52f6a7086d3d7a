"""A store in a bucket of Amazon S3, or of a service that speaks its protocol."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

from coralline_core.errors import CorallineError
from coralline_core.store.protocol import Stored, checked
from coralline_core.store.ranged import open_ranged

if TYPE_CHECKING:
    from collections.abc import Iterator

# Botocore's standard mode: exponential backoff with full jitter, at most 20 s between two tries.
# All together outlast a server that is gone for half a minute.
_CONFIG = {
    "retries": {"mode": "standard", "max_attempts": 10},
    "connect_timeout": 10,
    "read_timeout": 60,
    "max_pool_connections": 32,
}
_TRANSFER = TransferConfig(
    multipart_threshold=16 << 20, multipart_chunksize=8 << 20, max_concurrency=8
)
_BROKEN_BODIES = 5  # tries: botocore retries requests, and not the reading of their bodies
_MISSING = ("NoSuchKey", "404", "NotFound")
_REFUSED = ("PreconditionFailed", "412", "ConditionalRequestConflict")


class S3Store:
    """See Store. Compare-and-swap is by ETag: `If-Match` and `If-None-Match`.

    Args:
        bucket: Its name.
        prefix: What all keys begin with.
        endpoint: The service's URL, where it is not Amazon's.
        region: The bucket's region.
    """

    def __init__(
        self, bucket: str, prefix: str, endpoint: str | None = None, region: str | None = None
    ) -> None:
        options = {"endpoint": endpoint, "region": region}
        query = urlencode({name: value for name, value in options.items() if value})
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/") + (f"?{query}" if query else "")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        addressing = {"addressing_style": "path"} if endpoint else {}
        config = Config(s3=addressing, **_CONFIG)
        with self._failures(""):
            self._client: Any = boto3.client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )

    def get(self, key: str) -> Stored | None:
        """See Store."""
        with self._failures(key):
            try:
                data, etag = self._read(key)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return Stored(data, etag)

    def put(self, key: str, data: bytes | Path) -> None:
        """See Store. A file goes up in parts, several at once, and appears when all are there."""
        with self._failures(key):
            if isinstance(data, Path):
                self._client.upload_file(str(data), self._bucket, self._key(key), Config=_TRANSFER)
            else:
                self._client.put_object(Body=data, **self._object(key))

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """See Store."""
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        ours = {"writer": uuid.uuid4().hex}
        with self._failures(key):
            try:
                self._client.put_object(Body=data, Metadata=ours, **self._object(key), **condition)
            except ClientError as error:
                if _code(error) not in (*_REFUSED, *_MISSING):
                    raise
                # Where the answer to a first try was lost, that try is what is in the way now.
                head = self._head(key)
                return head is not None and head["Metadata"] == ours
        return True

    def list(self, prefix: str) -> Iterator[str]:
        """See Store."""
        with self._failures(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    key = str(found["Key"]).removeprefix(self._prefix)
                    if not key.startswith("."):
                        yield key

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        with self._failures(key):
            head = self._head(key)
        if head is None:
            raise CorallineError(
                f"{key} is missing", where=self.uri, fix="Run again, or restore the object."
            )

        def read(start: int, stop: int) -> bytes:
            with self._failures(key):
                return self._read(key, Range=f"bytes={start}-{stop - 1}", IfMatch=head["ETag"])[0]

        return open_ranged(head["ContentLength"], read)

    def delete(self, key: str) -> None:
        """See Store."""
        with self._failures(key):
            self._client.delete_object(**self._object(key))

    def check_writable(self) -> None:
        """See Store."""
        key = f".check/{uuid.uuid4().hex}"
        try:
            first, second = (self.put_if(key, data, None) for data in (b"1", b"2"))
        finally:
            self.delete(key)
        if not first or second:
            raise CorallineError(
                "the bucket ignores conditional writes, without which two runs at once would "
                "overwrite each other's champion",
                where=self.uri,
                fix="Use a service that obeys If-None-Match and If-Match.",
            )

    def _read(self, key: str, **options: str) -> tuple[bytes, str]:
        for attempt in range(1, _BROKEN_BODIES + 1):
            answer = self._client.get_object(**self._object(key), **options)
            try:
                return answer["Body"].read(), answer["ETag"]
            except (HTTPClientError, BotoCoreError):
                if attempt == _BROKEN_BODIES:
                    raise
        raise AssertionError

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._client.head_object(**self._object(key))
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return head

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(key)}

    def _key(self, key: str) -> str:
        return self._prefix + checked(key)

    @contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        try:
            yield
        except NoCredentialsError as error:
            raise CorallineError(
                "no credentials for S3",
                where=self.uri,
                fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            ) from error
        except (BotoCoreError, ClientError, Boto3Error) as error:
            fix = "Check the bucket's name, the endpoint, the credentials and their permissions."
            what = f"cannot reach {key}: {error}" if key else str(error)
            raise CorallineError(what, where=self.uri, fix=fix) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
