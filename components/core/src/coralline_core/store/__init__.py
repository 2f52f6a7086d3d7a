"""The store: where shards, manifests and models lie, behind a few verbs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from coralline_core.errors import CorallineError
from coralline_core.store.files import FileStore
from coralline_core.store.protocol import Stat, Store, Stored

__all__ = ["FileStore", "Stat", "Store", "Stored", "open_store"]


def open_store(uri: str) -> Store:
    """The store that `uri` names.

    Credentials are the machine's own: those that Google's and Amazon's libraries find.

    Args:
        uri: `file:///folder`, or a plain path to a folder; `gs://bucket/prefix`; or
            `s3://bucket/prefix`, with `?endpoint=https://…&region=…` where it is not Amazon's.

    Raises:
        CorallineError: The scheme is not one that coralline has, or there are no credentials.
    """
    parts = urlsplit(uri)
    prefix = parts.path.strip("/")
    match parts.scheme:
        case "file" if not parts.netloc and parts.path.startswith("/"):
            return FileStore(Path(unquote(parts.path)))
        case "":
            return FileStore(Path(uri).resolve())
        case "gs" if parts.netloc and not parts.query:
            from coralline_core.store.gcs import GcsStore  # Google's library takes a second

            return GcsStore(parts.netloc, prefix)
        case "s3" if parts.netloc:
            from coralline_core.store.s3 import S3Store  # as does Amazon's

            options = dict(parse_qsl(parts.query))
            if options.keys() <= {"endpoint", "region"}:
                return S3Store(parts.netloc, prefix, **options)
    raise CorallineError(
        f"no store for {parts.scheme}://{parts.netloc}",
        where=uri,
        fix="Use a folder, gs://bucket/prefix or s3://bucket/prefix.",
    )
