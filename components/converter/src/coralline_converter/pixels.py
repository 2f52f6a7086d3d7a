"""Crops as the network takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coralline_core.dataset import Dataset
    from coralline_core.store import Store
    from numpy.typing import NDArray

_COLUMNS = ("image", "sha256", "split", "label", "source_sha256", "crop_index")


def crops_with_pixels(
    crops: Dataset, store: Store, side: int, split: str
) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8]]]:
    """The crops of a split in the shards' order.

    Yields:
        The row without its image, and its pixels: uint8 (side, side, 3), RGB, 0 to 255.

    Raises:
        CorallineError: A crop has another size than the network takes.
    """
    for row in crops.iter_rows(store, _COLUMNS, split):
        yield row, decode(row.pop("image")["bytes"], side)


def decode(data: bytes, side: int) -> NDArray[np.uint8]:
    """Decode a stored crop.

    Raises:
        CorallineError: It is no picture of `side` px.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None or bgr.shape != (side, side, 3):
        found = "no picture" if bgr is None else f"{bgr.shape[1]}x{bgr.shape[0]} px"
        raise CorallineError(
            f"a crop is {found}, the model takes {side}x{side}",
            where="crops",
            fix="Train and convert with the same crops.",
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def calibration_crops(
    crops: Dataset, store: Store, side: int, total: int
) -> tuple[NDArray[np.uint8], dict[str, int]]:
    """Training crops to calibrate with: as many of every label, spread over all photos.

    Args:
        crops: The dataset that was trained on.
        store: Where it is.
        side: Of the crops, px.
        total: How many in all; a label with fewer gives what it has.

    Returns:
        uint8 (n, side, side, 3), RGB, and the number by label.
    """
    each = max(1, total // len(crops.labels))
    names = crops.table(store, ["sha256", "label", "split"]).to_pylist()
    chosen = {
        sha
        for label in crops.labels
        for sha in _first(
            (r["sha256"] for r in names if r["label"] == label and r["split"] == "train"), each
        )
    }
    pixels, counts = [], dict.fromkeys(crops.labels, 0)
    for row, values in crops_with_pixels(crops, store, side, "train"):
        if row["sha256"] in chosen:
            chosen.discard(row["sha256"])
            pixels.append(values)
            counts[row["label"]] += 1
    return np.stack(pixels), counts


def _first(names: Iterable[str], count: int) -> list[str]:
    """The first in the order of their hashes: a fair choice, and always the same."""
    return sorted(set(names))[:count]


def jpeg(rgb: NDArray[np.uint8], side: int) -> bytes:
    """A picture enlarged or shrunk to `side` px, as JPEG."""
    sized = cv2.resize(rgb, (side, side), interpolation=cv2.INTER_CUBIC)
    bgr = cv2.cvtColor(sized, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
