"""Which of all that crawls came upon belongs to the project as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from coralline_crawler.columns import hash64, optional_key
from coralline_crawler.history import History, Texts, find_in, is_among
from coralline_crawler.record import DUPLICATE, SEEN, WITH_IMAGE
from coralline_crawler.scope import LISTED, Scope
from coralline_crawler.take_down import is_forgotten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coralline_core.forgotten import Forgotten
    from numpy.typing import NDArray

    from coralline_crawler.candidate import Candidate
    from coralline_crawler.history import Keys, Rows
    from coralline_crawler.licences import Allowed
    from coralline_crawler.settings import CrawlSettings

ENOUGH_SIDE = 1024
"""Px of the shorter side, beyond which more is of no use."""


class Links(NamedTuple):
    """What else images belong together with: as a duplicate, or on another page, seen again."""

    images: Keys
    groups: Keys
    """The group's key, of each of the images; no pair is there twice."""
    rows: Rows
    """A visit that names the group; -1: `named` does."""
    named: dict[int, str]
    """Groups that files and folders name now, by key."""


class Findings(NamedTuple):
    """What the project's queries, files and folders stand behind."""

    history: History
    images: Rows
    """The visit that stands for each image of the dataset, in the order of the images' keys."""
    queries: Texts
    """Of each of these, the query that counts now."""
    licences: Texts
    links: Links
    rejected: Rows
    """Visits of which no image came, or one that the label has from elsewhere."""
    reasons: Texts
    """Of each of these, why."""


def gather(
    settings: CrawlSettings,
    candidates: Sequence[Candidate],
    history: History,
    allowed: Allowed,
    forgotten: Forgotten,
) -> Findings:
    """Take what this crawl named, and of earlier ones what a query of today has found.

    So a query that was put right, a file that was moved to another label and a line that was
    taken off a list take their images along; the store keeps them for the day they come back.

    Args:
        settings: All of the step's.
        candidates: Of this crawl; one URL may be there several times, on different pages.
        history: Of all crawls, with a visit of each candidate.
        allowed: The licences that the project takes.
        forgotten: What is to be in no dataset.
    """
    now = history.find([hash64(one.label, one.url) for one in candidates])
    scope = Scope(settings, history)
    queries = Texts(scope.queries, history.names["query"])
    queries = _as_named(queries, now, [one.query for one in candidates])
    licences = Texts(history["licence"], history.names["licence"])
    licences = _as_named(licences, now, [one.licence for one in candidates])
    rows = history.latest
    rows = rows[scope.found(rows) | history.marked(now)[rows]]

    # Why not, from the weakest reason to the strongest.
    reasons = _Reasons(history, rows)
    reasons.give("lost", history.among("outcome", WITH_IMAGE, rows))
    has_image = history.has_image(rows)
    reasons.give(DUPLICATE, has_image)
    licensed = np.array([name in allowed for name in licences.names], bool)[licences.codes[rows]]
    reasons.give("licence", ~licensed)
    covered = is_forgotten(history, forgotten, rows)
    reasons.give("forgotten", covered)

    images = _one_of_each(history, rows[has_image & licensed & ~covered])
    if settings.max_total is not None:
        surplus = _places(history, images) >= settings.max_total
        reasons.give("surplus", history.marked(images[surplus])[rows])
        images = images[~surplus]
    rest = ~history.marked(images)[rows]
    return Findings(
        history,
        images,
        queries[images],
        licences[images],
        _links(history, images, rows[rest], candidates, now),
        rows[rest],
        reasons.texts[rest],
    )


class _Reasons:
    """Why there is no image of each visit, to begin with what became of it."""

    def __init__(self, history: History, rows: Rows) -> None:
        self.texts = Texts(history["outcome"][rows].copy(), list(history.names["outcome"]))

    def give(self, reason: str, places: Any) -> None:
        names = self.texts.names
        if reason not in names:
            names.append(reason)
        self.texts.codes[places] = names.index(reason)


def _as_named(texts: Texts, now: Rows, named: Iterable[str | None]) -> Texts:
    """A text for each visit; where this crawl says otherwise of one, what it says first."""
    places = {name: place for place, name in enumerate(texts.names)}
    said = [
        (row, places.setdefault(text, len(places)))
        for row, text in zip(now, named, strict=True)
        if text is not None
    ]
    codes = texts.codes.copy()
    for row, code in reversed(said):
        codes[row] = code
    return Texts(codes, list(places))


def _one_of_each(history: History, rows: Rows) -> Rows:
    """One visit for each image, in the images' order: of a duplicate only where all are."""
    holding = history.holding[history.marked(rows)[history.holding]]  # nearly all
    others = rows[~history.marked(holding)[rows]]
    others = others[~is_among(history["image"][others], history["image"][holding])]
    second = history.among("outcome", (DUPLICATE,), others)
    others = others[np.lexsort((second, history["image"][others]))]
    _, first = np.unique(history["image"][others], return_index=True)
    both = np.concatenate([holding, others[first]])
    return both[np.argsort(history["image"][both], kind="stable")]


def _places(history: History, images: Rows) -> NDArray[np.int64]:
    """Of each image its place among those of its label, from 0 for the best."""
    held = history.find_image(history["image"][images])
    side = np.minimum(history["width"][held], history["height"][held])
    side = np.minimum(side, ENOUGH_SIDE)
    sharp, rank = history["sharpness"][held], history["rank"][images]
    label = history["label"][images]
    order = np.lexsort((history["image"][images], rank, -sharp, -side, label))
    starts = np.searchsorted(label[order], label[order])
    places = np.empty(len(images), np.int64)
    places[order] = np.arange(len(images)) - starts
    return places


def _links(
    history: History,
    images: Rows,
    rejected: Rows,
    candidates: Sequence[Candidate],
    now: Rows,
) -> Links:
    seen = np.flatnonzero(history["outcome"] == history.code("outcome", SEEN))
    said = history.find(history["key"][seen])
    ours = history.marked(np.concatenate([images, rejected]))[said]
    listed = [
        (row, one.together)
        for row, one in zip(now, candidates, strict=True)
        if one.source in LISTED and one.together
    ]
    named = {optional_key(group): group for _, group in listed}
    keys = np.array([optional_key(group) for _, group in listed], np.uint64)
    places = np.array([row for row, _ in listed], np.int64)

    of = np.concatenate([rejected, said[ours], places])
    group_key = history["group_key"]
    groups = np.concatenate([group_key[rejected], group_key[seen[ours]], keys])
    rows = np.concatenate([rejected, seen[ours], np.full(len(places), -1)])
    image = history["image"][of]
    stands = find_in(history["image"][images], images, image)
    more = (stands >= 0) & (groups != 0) & (group_key[stands] != groups)
    image, groups, rows = image[more], groups[more], rows[more]
    _, first = np.unique(np.stack([image, groups], 1), axis=0, return_index=True)
    return Links(image[first], groups[first], rows[first], named)
