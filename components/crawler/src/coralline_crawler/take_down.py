"""Shards without the images that somebody wanted gone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from coralline_crawler.columns import hash64, image_key
from coralline_crawler.history import is_among
from coralline_crawler.record import DUPLICATE, KEPT, SEEN
from coralline_crawler.rewrite import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.forgotten import Forgotten
    from coralline_core.store import Store

    from coralline_crawler.history import History, Mask, Rows
    from coralline_crawler.record import Visit
    from coralline_crawler.rewrite import Row


def take_down(store: Store, history: History, forgotten: Forgotten) -> int:
    """Write each shard anew that holds a forgotten image, and record that it stands for the old.

    So no later manifest names the bytes. The old shard stays until nothing names it any more.

    Args:
        store: Where they are.
        history: What all crawls came upon.
        forgotten: What is to go.

    Returns:
        How many shards have another in their place.
    """
    if not forgotten:
        return 0
    covered = history.kept[is_forgotten(history, forgotten, history.kept)]
    replaced = 0
    for record in np.unique(history["record"][covered]).tolist():
        # Some were seen on a page that is forgotten, of which their rows say nothing.
        gone = frozenset(history["image"][covered[history["record"][covered] == record]].tolist())

        def left(key: int, row: Row, gone: frozenset[int] = gone) -> Row | None:
            url, page = row["image_url"], row["page_url"]
            covered = forgotten.covers(url=url, sha256=row["sha256"], page=page)
            return None if covered or key in gone else row

        replaced += rewrite(store, history, record, left, partial(standing, history, forgotten))
    return replaced


def is_forgotten(history: History, forgotten: Forgotten, rows: Rows) -> Mask:
    """By row, whether a visit is of a URL, a page or an image that is forgotten."""
    if not forgotten:
        return np.zeros(len(rows), bool)
    labels = history.names["label"]
    named: dict[str, list[str]] = {"url": [], "page": []}
    for notice in forgotten.notices:
        named.setdefault(notice.by, []).append(notice.value)
    pages = np.array([hash64(page) for page in named["page"]], np.uint64)
    seen = np.flatnonzero(history["outcome"] == history.code("outcome", SEEN))
    seen = seen[is_among(history["page_key"][seen], pages)]
    by_column = {
        "key": [hash64(label, url) for label in labels for url in named["url"]]
        + history["key"][seen].tolist(),
        "page_key": pages,
        "image": [image_key(label, sha) for label in labels for sha in forgotten.images],
    }
    covered = np.zeros(len(rows), bool)
    for column, keys in by_column.items():
        covered |= is_among(history[column][rows], np.array(keys, np.uint64))
    return covered


def standing(history: History, forgotten: Forgotten, images: Iterable[int]) -> list[Visit]:
    """For each image one of the visits that still say that it is theirs, as what keeps it."""
    latest = history.latest
    latest = latest[is_among(history["image"][latest], np.fromiter(images, np.uint64))]
    latest = latest[history.has_image(latest) & ~is_forgotten(history, forgotten, latest)]
    second = history.among("outcome", (DUPLICATE,), latest)
    order = latest[np.lexsort((latest, second, history["image"][latest]))]
    _, first = np.unique(history["image"][order], return_index=True)
    return [
        visit.model_copy(update={"outcome": KEPT, "tries": 0})
        for visit in history.read(order[first])
    ]
