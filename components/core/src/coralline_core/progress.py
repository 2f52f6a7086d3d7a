"""What a step says while it works.

A step's process may be a child of `coralline run`, a pod, or a command that someone typed. It says
the same in each: events, as JSON lines appended to the file that the environment variable
`CORALLINE_PROGRESS` names, or else as plain lines on stderr.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

ENVIRONMENT = "CORALLINE_PROGRESS"
_INTERVAL = 0.2  # s between two progress events in the file
_PLAIN_INTERVAL = 5.0  # s between two progress lines on stderr


class Event(BaseModel):
    """One thing that a step said."""

    model_config = ConfigDict(frozen=True)

    step: str
    event: Literal["start", "progress", "warning", "end", "error"]
    time: float  # s since the epoch
    done: int = 0
    total: int | None = None
    unit: str = ""
    note: str = ""
    message: str = ""
    where: str | None = None
    fix: str | None = None
    exit_code: int = 0
    seconds: float = 0.0

    def line(self) -> str:
        """The event as a plain line for a log."""
        match self.event:
            case "progress":
                text = self._amount()
            case "start":
                text = "started"
            case "end":
                text = f"done in {self.seconds:.1f} s"
                if self.done or self.total or self.note:
                    text += f": {self._amount()}"
            case "warning":
                text = f"warning: {self.message}"
            case "error":
                text = f"error: {self.error()}"
        return f"{self.step:<8} {text}"

    def _amount(self) -> str:
        amount = f"{self.done}/{self.total}" if self.total else str(self.done)
        if not (self.done or self.total or self.unit):
            amount = ""  # a note alone
        return " ".join(filter(None, (amount, self.unit, self.note)))

    def error(self) -> CorallineError:
        """The error that an `error` event carries."""
        error = CorallineError(self.message, where=self.where, fix=self.fix)
        error.exit_code = self.exit_code
        return error


class Progress:
    """A step's voice.

    Args:
        step: The step's name.
        say: Takes each event.
        interval: Least number of seconds between two progress events; the last is always said.
    """

    def __init__(
        self, step: str, say: Callable[[Event], None], interval: float = _INTERVAL
    ) -> None:
        self.step = step
        self._say = say
        self._interval = interval
        self._started = self._last = time.monotonic() - interval
        self._latest: dict[str, Any] = {}
        self._held = False  # whether the latest has yet to be said

    @classmethod
    def silent(cls) -> Progress:
        """One that nobody hears."""
        return cls("", lambda _: None)

    @classmethod
    def from_environment(cls, step: str) -> Progress:
        """To the file that CORALLINE_PROGRESS names, or else to stderr."""
        path = os.environ.get(ENVIRONMENT)
        if path:
            return cls(step, _append_to(Path(path)))
        return cls(step, lambda e: print(e.line(), file=sys.stderr, flush=True), _PLAIN_INTERVAL)

    def update(self, done: int, total: int | None = None, unit: str = "", note: str = "") -> None:
        """Say how far the work is. Cheap enough to call for every image."""
        self._latest = {"done": done, "total": total, "unit": unit, "note": note}
        self._held = True
        if time.monotonic() - self._last >= self._interval or done == total:
            self._release()

    def track(self, items: Iterable[T], total: int | None, unit: str) -> Iterator[T]:
        """Pass `items` on, and say how many have gone by."""
        for done, item in enumerate(items, 1):
            yield item
            self.update(done, total, unit)
        self._release()

    def warn(self, message: str) -> None:
        """Say what a person should know, though the work goes on."""
        self._emit("warning", message=message)

    def start(self) -> None:
        """Say that the step begins."""
        self._started = time.monotonic()
        self._emit("start")

    def end(self) -> None:
        """Say that the step is done, how far it came, and what it took."""
        self._release()
        self._emit("end", seconds=time.monotonic() - self._started, **self._latest)

    def fail(self, error: CorallineError) -> None:
        """Say what ended the step."""
        self._release()
        self._emit(
            "error",
            message=error.what,
            where=error.where,
            fix=error.fix,
            exit_code=error.exit_code,
            seconds=time.monotonic() - self._started,
        )

    def _release(self) -> None:
        if self._held:
            self._emit("progress", **self._latest)
            self._held, self._last = False, time.monotonic()

    def _emit(self, event: str, **fields: object) -> None:
        said = {"step": self.step, "event": event, "time": time.time(), **fields}
        self._say(Event.model_validate(said))


def read_events(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """The events that were appended to `path` after `offset`, and the new offset.

    A line that is no event is left out: on a full disk half a line is written, and goes on as
    another.
    """
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        whole, newline, _ = file.read().rpartition(b"\n")
    events = []
    for line in whole.split(b"\n"):
        with suppress(ValidationError):
            events.append(Event.model_validate_json(line))
    return events, offset + len(whole) + len(newline)


def _append_to(path: Path) -> Callable[[Event], None]:
    def say(event: Event) -> None:
        line = event.model_dump_json(exclude_defaults=True) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())  # one write: lines of two writers never mix
        finally:
            os.close(descriptor)

    return say
