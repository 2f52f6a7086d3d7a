import hashlib

import cv2
import numpy as np
import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.store import FileStore

SIZE = 32
SHARES = {"train": 24, "validation": 8, "test": 8}


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return FileStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def make_crops(store):
    """Crops whose label is their colour: b is blue, r is red, on a noisy gray."""

    def make(labels=("r", "b"), size=SIZE, shares=SHARES, shard_bytes=1 << 20, seed=0):
        random = np.random.default_rng(seed)
        with ShardWriter(store, rows.CROPS, shard_bytes) as writer:
            for split, count in shares.items():
                for number in range(count):
                    for label in labels:
                        picture = random.integers(90, 160, (size, size, 3), np.uint8)
                        channel = {"b": 0, "g": 1, "r": 2}[label]
                        picture[size // 4 : -size // 4, size // 4 : -size // 4, channel] += 90
                        writer.add(_row(picture, label, split, number))
                if shard_bytes < 1 << 20:
                    writer.flush()
        settings = {"mode": "face", "size": size}
        return Dataset(
            kind="crops", shards=tuple(writer.shards), counts=writer.counts, settings=settings
        )

    return make


@pytest.fixture(scope="session")
def crops(make_crops):
    return make_crops()


def _row(picture, label, split, number):
    data = cv2.imencode(".png", picture)[1].tobytes()
    return {
        "image": {"bytes": data, "path": ""},
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "label": label,
        "split": split,
        "source_sha256": hashlib.sha256(f"{label}{split}{number}".encode()).hexdigest(),
        "crop_index": 0,
    }
