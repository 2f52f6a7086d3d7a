"""Images whose bytes came from a URL that the project may not use, and are at one that it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coralline_crawler.record import KEPT
from coralline_crawler.rewrite import rewrite
from coralline_crawler.take_down import standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.forgotten import Forgotten
    from coralline_core.store import Store

    from coralline_crawler.findings import Findings
    from coralline_crawler.licences import Allowed
    from coralline_crawler.record import Visit
    from coralline_crawler.rewrite import Row


def attribute(store: Store, findings: Findings, allowed: Allowed, forgotten: Forgotten) -> int:
    """Let the rows of such images say where else they are, under which licence and by whom.

    Args:
        store: Where they are.
        findings: What belongs to the project.
        allowed: The licences that it takes.
        forgotten: What is to be in no dataset.

    Returns:
        How many shards have others in their place; if any, what was gathered is out of date.
    """
    history, images = findings.history, findings.images
    held = history.find_image(history["image"][images])
    wrong = (held != images) & ~history.allowed(allowed, held) & history.allowed(allowed, images)
    replaced = 0
    for record in np.unique(history["record"][held[wrong]]).tolist():
        ours = images[wrong & (history["record"][held] == record)]
        visits = dict(zip(history["image"][ours].tolist(), history.read(ours), strict=True))

        def change(key: int, row: Row, visits: dict[int, Visit] = visits) -> Row:
            return row | _said(visits[key]) if key in visits else row

        def stand(left: Sequence[int], visits: dict[int, Visit] = visits) -> list[Visit]:
            others = [key for key in left if key not in visits]
            kept = [visit.model_copy(update={"outcome": KEPT}) for visit in visits.values()]
            return [*standing(history, forgotten, others), *kept]

        replaced += rewrite(store, history, record, change, stand)
    return replaced


def _said(visit: Visit) -> Row:
    """What a row says of where its image is from."""
    return {
        "query": visit.query,
        "source": visit.source,
        "page_url": visit.page_url,
        "image_url": visit.url,
        "creator": visit.creator,
        "licence": visit.licence,
        "group": visit.group,
    }
