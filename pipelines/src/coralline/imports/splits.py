"""Splits that people have made already: what was in test is never learnt from."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from coralline_core.errors import CorallineError
from coralline_curator.catalogue import key_of
from coralline_curator.splits import SPLITS, UNKNOWN, SplitLog, SplitRecord

if TYPE_CHECKING:
    from coralline_core.store import Store
    from coralline_curator.settings import Split

    from coralline.imports.pictures import Pictures

_ATTEMPTS = 20


def keep_splits(store: Store, pictures: Pictures) -> dict[str, int]:
    """Write down in which split each image is to be, where somebody says.

    An image that has a split in the store keeps that one. The same image in two splits is in the
    first of test, validation and train that it was in.

    Args:
        store: Where splits are recorded.
        pictures: All of them are gone through; files whose split is known are read.

    Returns:
        Images whose split is kept, by split.

    Raises:
        CorallineError: A file cannot be read, or the record cannot be written.
    """
    wanted: dict[int, Split] = {}
    for picture in pictures:
        path, split = picture.candidate.path, picture.split
        if path is not None and split is not None:
            with path.open("rb") as file:
                key = key_of(hashlib.file_digest(file, "sha256").hexdigest())
            wanted[key] = min(split, wanted.get(key, split), key=SPLITS.index)
    keys = np.array(list(wanted), np.uint64)
    log = SplitLog()
    for _ in range(_ATTEMPTS):
        log.refresh(store)
        new = keys[log.look_up(keys) == UNKNOWN].tolist()
        by_split: defaultdict[Split, list[str]] = defaultdict(list)
        for key in sorted(new):
            by_split[wanted[key]].append(f"{key:016x}")
        record = SplitRecord(keys=dict(by_split)).model_dump_json().encode()
        # Where the record is there already, another writer came first, and what it dealt counts.
        if not new or store.put_if(f"splits/{log.read:08}.json", record, None):
            log.refresh(store)
            there = log.look_up(keys).tolist()
            kept = Counter(
                wanted[key]
                for key, code in zip(wanted, there, strict=True)
                if SPLITS[code] == wanted[key]
            )
            return dict(sorted(kept.items()))
    raise CorallineError(
        "the splits could not be recorded: others keep coming first",
        where=store.uri,
        fix="Run again once no run is at work on this store.",
    )
