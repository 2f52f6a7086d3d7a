"""What the champion thinks of every crop, so that people see first what is most likely wrong."""

from __future__ import annotations

import io
import os
import tempfile
import time
import traceback
from contextlib import contextmanager
from tempfile import TemporaryFile
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from coralline_core.errors import CorallineError

from coralline_reviewer.champion import open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL import Image

    from coralline_reviewer.champion import Champion
    from coralline_reviewer.crops import Crops

_THUMBNAIL = 160  # px of the longer side, at most
_AGAIN = 20  # s until an error may have passed


class Doubts:
    """The champion's probabilities for each crop of a dataset, as they come in.

    All pictures are read once, in the store's order, by a thread of its own. It leaves small copies
    in a temporary file: in the order of doubt, those of one page lie all over the store.

    Args:
        crops: The dataset.
        champion: Who is asked.
    """

    def __init__(self, crops: Crops, champion: Champion) -> None:
        self.crops = crops
        self.champion = champion
        self.done = 0
        """How many crops have been looked at: those of the first rows."""
        self.unseen = 0
        """How many of them could not be opened: of these it thinks nothing."""
        self.error: CorallineError | None = None
        """Why it went no further."""
        self._probabilities = np.full((len(crops), len(champion.labels)), np.nan, np.float32)
        self._thumbnails = _Thumbnails(len(crops))
        self._stopped = False
        self._again_at = 0.0
        self._thread: Thread | None = None

    def go_on(self) -> None:
        """Begin, or go on some time after an error; a thread that is at work is left to it."""
        size = self.crops.dataset.settings.get("size")
        if size != self.champion.side:
            what = f"the champion takes crops of {self.champion.side} px, and these have {size}"
            self.error = CorallineError(what, fix="The next run trains one that fits.")
        elif self._stopped or (self._thread and self._thread.is_alive()):
            return
        elif time.monotonic() >= self._again_at:
            self.error = None
            self._thread = Thread(target=self._work, name="doubts", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let it be; there are other crops, or another champion."""
        self._stopped = True

    def of(self, row: int) -> tuple[str, float] | None:
        """The label that the champion gives a crop, and its probability; None while not known."""
        probabilities = self._probabilities[row]
        if row >= self.done or np.isnan(probabilities[0]):
            return None
        best = int(probabilities.argmax())
        return self.champion.labels[best], float(probabilities[best])

    def doubt(self) -> NDArray[np.float32]:
        """How little the champion believes each crop's label: 0 (surely right) to 1.

        One minus what is called self-confidence in Northcutt et al., "Confident learning" (JAIR
        2021). Where the champion gives another label and is sure, it is near 1. NaN while it is not
        known, and for labels that the champion has never heard of.
        """
        place = {label: at for at, label in enumerate(self.champion.labels)}
        labels: list[Any] = self.crops.table["label"].to_pylist()
        known = np.array([place.get(label, -1) for label in labels], np.intp)
        believed = self._probabilities[np.arange(len(known)), known]
        return np.where(known >= 0, 1 - believed, np.nan)

    def thumbnail(self, row: int) -> bytes | None:
        """A small JPEG of a crop that has been looked at."""
        return self._thumbnails.get(row)

    def _work(self) -> None:
        try:
            for row, png in self.crops.pictures(self.done):
                if self._stopped:
                    return
                self._look(row, png)
                self.done = row + 1
        except CorallineError as error:  # said on the page; tried again while somebody looks at it
            self._again_at = time.monotonic() + _AGAIN
            self.error = error
        except Exception as error:  # noqa: BLE001 - nobody would see that this thread has ended
            traceback.print_exc()
            self._stopped = True
            lines = str(error).splitlines() or [""]
            self.error = CorallineError(f"the champion failed: {type(error).__name__}: {lines[0]}")

    def _look(self, row: int, png: bytes) -> None:
        try:
            picture = open_picture(png)
        except ValueError:  # others can be looked at; `coralline verify` finds it
            self.unseen += 1
            return
        self._probabilities[row] = self.champion.probabilities(picture)
        self._thumbnails.add(row, picture)


class _Thumbnails:
    """Small JPEGs in a file that is gone with the process.

    Args:
        n: How many there may be.

    Raises:
        CorallineError: There is no place for temporary files.
    """

    def __init__(self, n: int) -> None:
        with _failures():
            self._file = TemporaryFile()  # noqa: SIM115 - as long as this object
        self._places = np.zeros((n, 2), np.int64)
        self._end = 0

    def add(self, row: int, picture: Image.Image) -> None:
        """Keep a picture.

        Raises:
            CorallineError: There is no room.
        """
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=88)
        data = jpeg.getvalue()
        with _failures():
            os.pwrite(self._file.fileno(), data, self._end)
        self._places[row] = self._end, len(data)
        self._end += len(data)

    def get(self, row: int) -> bytes | None:
        """Its bytes; None where there is none."""
        start, length = self._places[row].tolist()
        return os.pread(self._file.fileno(), length, start) if length else None


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"cannot write a temporary file: {error.strerror or error}"
        where = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - as tempfile does
        raise CorallineError(what, where=where, fix="Make room there, or set TMPDIR.") from error
