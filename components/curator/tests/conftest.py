"""Crawled images, as rows in a store of a temporary folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.progress import Event, Progress
from coralline_core.store import FileStore, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# The shards hold no image at all, so that reading one fails: metadata is all that is needed.
METADATA = rows.IMAGES.remove(rows.IMAGES.get_field_index("image"))


@pytest.fixture
def store(tmp_path) -> Store:
    return FileStore(tmp_path / "store")


@pytest.fixture
def said() -> list[Event]:
    """What a step said to `progress`."""
    return []


@pytest.fixture
def progress(said) -> Progress:
    return Progress("curate", said.append)


@pytest.fixture(scope="session")
def crawl() -> Callable[..., Dataset]:
    """Writes rows into a store, spread over some shards."""

    def crawl(store: Store, found: Iterable[Mapping[str, Any]], shards: int = 1) -> Dataset:
        found = list(found)
        with ShardWriter(store, METADATA) as writer:
            for shard in range(shards):
                for row in found[shard::shards]:
                    writer.add(row)
                writer.flush()
        return Dataset(kind="images", shards=tuple(writer.shards), counts=writer.counts)

    return crawl


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """A row: its name is its hash, its address and, unless said otherwise, its page."""

    def row(name: str, phash: int, label: str = "cat", **columns: Any) -> dict[str, Any]:
        own = {
            "sha256": name,
            "phash": phash,
            "width": 100,
            "height": 100,
            "label": label,
            "image_url": f"http://host/{name}.jpg",
            "page_url": f"http://host/pages/{name}",
        }
        return own | columns

    return row


@pytest.fixture(scope="session")
def anchors() -> Callable[..., list[dict[str, Any]]]:
    """Groups of each label, apart from all others, so that a label can be split at all."""

    def anchors(groups: int = 3) -> list[dict[str, Any]]:
        return [
            {
                "sha256": f"anchor-{label}-{n}",
                "phash": (0x9E37_79B9_7F4A_7C15 * (n * 2 + (label == "cat") + 10**4)) % 2**64,
                "width": 9,
                "height": 9,
                "label": label,
                "image_url": f"http://host/{label}/{n}",
                "group": f"anchor-{label}-{n}",
            }
            for label in ("cat", "dog")
            for n in range(groups)
        ]

    return anchors
