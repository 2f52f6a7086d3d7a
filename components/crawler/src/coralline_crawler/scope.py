"""What of all that crawls came upon is the project's as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coralline_crawler.record import DUPLICATE, SEEN

if TYPE_CHECKING:
    from coralline_crawler.history import History, Mask, Rows
    from coralline_crawler.settings import CrawlSettings

LISTED = ("urls", "directory")
"""Sources that name all they have each time: what they do not name is not theirs any more."""

IMPORT = "import"
"""The source of images that were taken in once: they belong to the project with their label."""


class Scope:
    """What queries of today have found, be it years ago, and what was imported.

    Args:
        settings: All of the step's.
        history: What all crawls came upon.
    """

    def __init__(self, settings: CrawlSettings, history: History) -> None:
        self._history = history
        labels, names = history.names["label"], history.names["query"]
        asked = np.zeros((len(labels), len(names)), bool)
        for place, label in enumerate(labels):
            if label in settings.labels:
                asked[place] = history.codes("query", settings.labels[label].queries)
        self.queries = history["query"].copy()
        """Of every visit the query that counts: its own, or else one that found it later."""
        searched = ~history.codes("source", (*LISTED, IMPORT))[history["source"]]
        self._found = searched & asked[history["label"], self.queries]
        seen = np.flatnonzero(self._found & (history["outcome"] == history.code("outcome", SEEN)))
        later = history.find(history["key"][seen])
        new = (later >= 0) & ~self._found[later]
        self.queries[later[new]] = self.queries[seen[new]]
        self._found[later[new]] = True
        ours = history.codes("label", settings.labels)[history["label"]]
        imported = history.codes("source", (IMPORT,))[history["source"]]
        self._found |= imported & ours
        present = history.codes("source", {source.type for source in settings.sources})
        self._present = present[history["source"]]

    def found(self, rows: Rows) -> Mask:
        """By row, whether it is one of these."""
        found: Mask = self._found[rows]
        return found

    def has_source(self, rows: Rows) -> Mask:
        """By row, whether the project still has the source that it is from."""
        has: Mask = self._present[rows]
        return has

    def images(self) -> dict[str, dict[str, int]]:
        """How many images there are of these, by label and query, which is `""` for imports.

        Of a query that found duplicates only, there are 0.
        """
        history = self._history
        labels, queries = history.names["label"], history.names["query"]
        rows = history.latest[self._found[history.latest]]
        rows = rows[history.has_image(rows)]
        pairs = history["label"][rows].astype(np.int64) * len(queries) + self.queries[rows]
        new = ~history.among("outcome", (DUPLICATE,), rows)
        counts = np.bincount(pairs[new], minlength=len(labels) * len(queries))
        found: dict[str, dict[str, int]] = {}
        for pair in np.flatnonzero(np.bincount(pairs, minlength=1)).tolist():
            label, query = divmod(pair, len(queries))
            found.setdefault(labels[label], {})[queries[query]] = int(counts[pair])
        return found
