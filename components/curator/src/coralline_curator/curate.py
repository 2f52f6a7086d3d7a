"""Images to a clean, grouped and split dataset, from their metadata alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from coralline_core.dataset import Dataset, write_selection
from coralline_core.errors import CorallineError

from coralline_curator.duplicates import near_pairs
from coralline_curator.groups import components
from coralline_curator.report import CurateReport, Duplicate, Picture
from coralline_curator.splits import SPLITS, Group, deal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coralline_core.progress import Progress
    from coralline_core.store import Store

    from coralline_curator.settings import CurateSettings, Split

_COLUMNS = (
    "sha256", "phash", "width", "height", "label", "page_url", "image_url", "group",
)
_EXAMPLES = 50


def curate(
    settings: CurateSettings, images: Dataset, store: Store, progress: Progress
) -> tuple[Dataset, CurateReport]:
    ...
