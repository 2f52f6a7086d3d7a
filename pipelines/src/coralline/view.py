"""What a person sees of a run: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coralline_core.progress import Event
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PLAIN_INTERVAL = 5.0  # s between two progress lines of one step
_WIDEST, _NARROW = 100, 80  # columns of the table; where it has less than the second, no bars


@contextmanager
def view(steps: Sequence[str], console: Console) -> Iterator[Callable[[Event], None]]:
    """Show a run's events while the context lasts.

    Args:
        steps: The names of all steps, in order.
        console: Where to; a live table where it is a terminal.

    Yields:
        What takes each event.
    """
    if not console.is_terminal:
        yield PlainView(console).show
        return
    live_view = LiveView(steps)
    with Live(live_view, console=console, refresh_per_second=8):
        yield live_view.show


class PlainView:
    """A line an event; progress lines at most every five seconds a step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, float] = {}

    def show(self, event: Event) -> None:
        """Print the event, unless it is progress that comes too soon."""
        if event.event == "progress":
            if event.time - self._last.get(event.step, 0.0) < _PLAIN_INTERVAL:
                return
            self._last[event.step] = event.time
        if event.event != "error":  # the command prints its error itself, last
            self._console.print(event.line(), markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A table with a row for every step, drawn again and again."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = steps
        self._started: dict[str, float] = {}
        self._progress: dict[str, Event] = {}
        self._ended: dict[str, Event] = {}
        self._warnings: list[Event] = []
        self._spinner = Spinner("dots", style="cyan")

    def show(self, event: Event) -> None:
        """Take an event into the table."""
        match event.event:
            case "start":
                self._started[event.step] = event.time
            case "progress":
                self._progress[event.step] = event
            case "warning":
                self._warnings.append(event)
            case "end" | "error":
                self._ended[event.step] = event

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bars = options.max_width >= _NARROW
        table = Table.grid(padding=(0, 2))
        table.width = min(options.max_width, _WIDEST)
        table.add_column(width=1)
        table.add_column(min_width=8, no_wrap=True)
        if bars:
            table.add_column(width=24)
        # The only one that gives way: a live table whose lines wrap would jump.
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        for step in self._steps:
            mark, name, bar, said, seconds = self._row(step)
            table.add_row(mark, name, *([bar] if bars else []), said, seconds)
        yield table
        yield from (Text(f"! {one.step}: {one.message}", "yellow") for one in self._warnings)

    def _row(self, step: str) -> tuple[RenderableType, ...]:
        progress, ended = self._progress.get(step), self._ended.get(step)
        said = " ".join(filter(None, (_amount(progress), progress.note))) if progress else ""
        if ended is not None:
            mark = Text("✓", "green") if ended.event == "end" else Text("✗", "red")
            return mark, Text(step), Text(), Text(said, "dim"), _seconds(ended.seconds)
        if step in self._started:
            seconds = time.time() - self._started[step]
            return self._spinner, Text(step, "bold"), _bar(progress), Text(said), _seconds(seconds)
        return Text("·", "dim"), Text(step, "dim"), Text(), Text(), Text()


def _bar(progress: Event | None) -> ProgressBar:
    known = progress is not None and progress.total
    return ProgressBar(
        total=progress.total if progress and known else None,
        completed=progress.done if progress else 0,
        pulse=not known,
        width=24,
    )


def _amount(progress: Event) -> str:
    amount = f"{progress.done}/{progress.total}" if progress.total else str(progress.done)
    return f"{amount} {progress.unit}".strip()


def _seconds(seconds: float) -> Text:
    return Text(f"{seconds:.1f} s", "dim")
