"""A store in a bucket of Amazon S3, or of a service that speaks its protocol."""

from __future__ import annotations

import base64
import uuid
import zlib
from contextlib import contextmanager, suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ParamSpec, TypeVar
from urllib.parse import urlencode

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, which is none of Python's
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from google.api_core.exceptions import RetryError
from google.api_core.retry import Retry
from urllib3.exceptions import HTTPError  # of an answer that breaks off: botocore lets it through

from coralline_core.errors import CorallineError
from coralline_core.store.protocol import Stat, Stored, checked
from coralline_core.store.ranged import open_ranged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

P = ParamSpec("P")
T = TypeVar("T")

# Botocore tries a request eight times within seconds, with backoff and jitter; but where many fail
# at once, it gives up on all after some 35 retries, until others succeed. So what is to outlast a
# server that is gone for a while, or an answer that breaks off, is tried again around it: see
# `_patiently`.
_CONFIG = {
    "retries": {"mode": "standard", "total_max_attempts": 8},
    "connect_timeout": 10,
    "read_timeout": 60,
    "max_pool_connections": 32,
}
_TRANSFER = TransferConfig(
    multipart_threshold=16 << 20, multipart_chunksize=8 << 20, max_concurrency=8
)
_MISSING = ("NoSuchKey", "404", "NotFound")
_REFUSED = ("PreconditionFailed", "412")
_AGAIN = (
    "ConditionalRequestConflict",  # another writer is not done yet
    "OperationAborted",
    "BadDigest",  # it came as something else
)
_PASSING = (408, 429, 500, 502, 503, 504)


def _may_pass(error: BaseException | None) -> bool:
    """Whether another try may succeed."""
    match error:
        case ClientError():
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return status in _PASSING or _code(error) in _AGAIN
        case Boto3Error():  # of an upload in parts, around what befell one of them
            return _may_pass(error.__context__)
    return isinstance(error, ConnectionError | HTTPClientError | HTTPError | IncompleteReadError)


def _patiently(call: Callable[P, T]) -> Callable[P, T]:
    """The same call, made again while it may pass: with backoff and jitter, for two minutes."""
    retry = Retry(predicate=_may_pass, initial=0.2, maximum=10, multiplier=2, timeout=120)
    patient: Callable[P, T] = retry(call)
    return patient


class S3Store:
    """See Store. Compare-and-swap is by ETag: `If-Match` and `If-None-Match`.

    What is written has a CRC32 that the service checks and keeps, and `get` holds what comes
    against it. A service that keeps none is believed, as far as the length is right; one that even
    refuses them is asked without if AWS_REQUEST_CHECKSUM_CALCULATION is `when_required`.

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
        with self._failures("cannot be opened"):
            self._client: Any = boto3.client(
                "s3", endpoint_url=endpoint, region_name=region, config=config
            )

    def get(self, key: str) -> Stored | None:
        """See Store."""
        with self._failures(f"cannot read {key}"):
            try:
                return self._read(key)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def put(self, key: str, data: bytes | Path) -> None:
        """See Store. A file goes up in parts, several at once, and appears when all are there."""
        with self._failures(f"cannot write {key}"):
            if isinstance(data, Path):
                self._upload(key, data)
            else:
                _patiently(self._client.put_object)(Body=data, **self._object(key))

    def put_if(self, key: str, data: bytes, etag: str | None) -> bool:
        """See Store."""
        with self._failures(f"cannot write {key}"):
            return self._put_if(_patiently(self._client.put_object), key, data, etag)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See Store."""
        request = _patiently(self._client.list_objects_v2)
        after = self._prefix + after if after else ""
        while True:
            with self._failures(f"cannot list {prefix}"):
                start = {"StartAfter": after} if after else {}
                page = request(Bucket=self._bucket, Prefix=self._prefix + prefix, **start)
            names = [str(found["Key"]) for found in page.get("Contents", ())]
            keys = (name.removeprefix(self._prefix) for name in names)
            yield from (key for key in keys if not key.startswith("."))
            if not page["IsTruncated"]:
                return
            after = names[-1]

    def open(self, key: str) -> BinaryIO:
        """See Store."""
        with self._failures(f"cannot read {key}"):
            head = self._head(key)
        if head is None:
            raise CorallineError(
                f"{key} is missing", where=self.uri, fix="Run again, or restore the object."
            )

        def read(start: int, stop: int) -> bytes:
            with self._failures(f"cannot read {key}"):
                part = f"bytes={start}-{stop - 1}"
                return self._read(key, Range=part, IfMatch=head["ETag"]).data

        return open_ranged(head["ContentLength"], read)

    def stat(self, key: str) -> Stat | None:
        """See Store. The service's clock shows whole seconds."""
        with self._failures(f"cannot read {key}"):
            head = self._head(key)
        if head is None:
            return None
        return Stat(head["ContentLength"], head["LastModified"].astimezone(UTC))

    def delete(self, key: str) -> None:
        """See Store."""
        with self._failures(f"cannot delete {key}"):
            _patiently(self._client.delete_object)(**self._object(key))

    def sweep(self, before: datetime) -> int:
        """See Store. Parts that were never put together are no object, and cost as if they were."""
        with self._failures("cannot look for unfinished uploads"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            uploads = [upload for page in pages for upload in page.get("Uploads", ())]
            left = [upload for upload in uploads if upload["Initiated"] < before]
            for upload in left:
                with suppress(self._client.exceptions.NoSuchUpload):
                    _patiently(self._client.abort_multipart_upload)(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
        return len(left)

    def check_writable(self) -> None:
        """See Store."""
        key = f".check/{uuid.uuid4().hex}"
        with self._failures("the store cannot be written"):
            first = self._put_if(self._client.put_object, key, b"1", None)
            try:
                second = self._put_if(self._client.put_object, key, b"2", None)
            finally:
                self._client.delete_object(**self._object(key))
        if not first or second:
            raise CorallineError(
                "the bucket ignores conditional writes, without which two runs at once would "
                "overwrite each other's champion",
                where=self.uri,
                fix="Use a service that obeys If-None-Match and If-Match.",
            )

    @_patiently
    def _read(self, key: str, **options: str) -> Stored:
        answer = self._client.get_object(**self._object(key), **options)
        return Stored(answer["Body"].read(), answer["ETag"])

    @_patiently
    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._client.head_object(**self._object(key))
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return head

    @_patiently
    def _upload(self, key: str, path: Path) -> None:
        # Named beforehand, the CRC32 is of the whole and kept so; else it would be one of the
        # parts' CRC32, which nothing that is read can be held against.
        wanted = self._client.meta.config.request_checksum_calculation != "when_required"
        checksum = {"ChecksumCRC32": _crc32(path)} if wanted else {}
        self._client.upload_file(
            str(path), self._bucket, self._key(key), ExtraArgs=checksum, Config=_TRANSFER
        )

    def _put_if(self, put: Callable[..., Any], key: str, data: bytes, etag: str | None) -> bool:
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        ours = {"writer": uuid.uuid4().hex}
        try:
            put(Body=data, Metadata=ours, **self._object(key), **condition)
        except ClientError as error:
            if _code(error) not in (*_REFUSED, *_MISSING):
                raise
            # Where the answer to a first try was lost, that try is what is in the way now.
            head = self._head(key)
            return head is not None and head["Metadata"] == ours
        return True

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key(key)}

    def _key(self, key: str) -> str:
        return self._prefix + checked(key)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except NoCredentialsError as error:
            raise CorallineError(
                "no credentials for S3",
                where=self.uri,
                fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
            ) from error
        except FlexibleChecksumError as error:
            raise CorallineError(
                f"{what}: it is not what was written, its checksum says",
                where=self.uri,
                fix="Restore the object, or delete it and run again.",
            ) from error
        except RetryError as error:
            raise self._failure(what, error.cause) from error
        except (BotoCoreError, ClientError, Boto3Error, HTTPError) as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, why: Exception) -> CorallineError:
        if isinstance(why, Boto3Error) and isinstance(why.__context__, ClientError):
            why = why.__context__  # what befell a part of an upload
        fix = "Check the bucket's name, the endpoint, the credentials and their permissions."
        if isinstance(why, ClientError) and _code(why) == "RequestTimeTooSkewed":
            fix = "Set this machine's clock, which differs too much from the service's."
        elif isinstance(why, ClientError) and _may_pass(why):
            fix = "Look at the service itself: its disk may be full."
        line = " ".join(f"{what}: {why}".split()).rstrip(".")
        return CorallineError(line, where=self.uri, fix=fix)


def _crc32(path: Path) -> str:
    checksum = 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            checksum = zlib.crc32(data, checksum)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
