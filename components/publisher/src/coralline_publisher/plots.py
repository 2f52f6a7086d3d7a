"""The report's plots, as SVG in data URIs."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_publisher.inputs import Epoch
    from coralline_publisher.report import Comparison

_INK, _MUTED, _LINE = "#1d2733", "#5b6776", "#d5dbe2"
_ACCENT, _SECOND, _BAD = "#0f766e", "#c2713d", "#b3402e"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "svg.hashsalt": "coralline",  # or the ids inside would be random
}


def learning_curves(history: Sequence[Epoch], measure: Literal["accuracy", "loss"]) -> str:
    """A measure by epoch, on training and validation crops, through both phases."""
    epochs = range(1, len(history) + 1)
    training = [getattr(epoch, measure) for epoch in history]
    validation = [getattr(epoch, f"val_{measure}") for epoch in history]
    style: dict[str, Any] = {"lw": 1.6, "marker": "o" if len(history) == 1 else None}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(epochs, training, color=_SECOND, label="training", **style)
        axes.plot(epochs, validation, color=_ACCENT, label="validation", **style)
        axes.set_title(measure.capitalize())
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.grid(axis="y", color=_LINE, lw=0.6)
        axes.legend(frameon=False)
        if measure == "loss":
            axes.set_ylim(bottom=0)
        for at, (before, after) in enumerate(pairwise(history), 1):
            if before.phase != after.phase:
                axes.axvline(at + 0.5, color=_MUTED, lw=0.8, ls=":")
        return _uri(figure)


def difference(comparison: Comparison, tolerance: float) -> str:
    """The difference in accuracy with its interval, beside zero and the tolerance."""
    low, high = (100 * bound for bound in comparison.interval)
    middle = 100 * comparison.difference
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 1.5), layout="constrained")
        axes = figure.subplots()
        reach = 1.15 * max(abs(low), abs(high), 100 * tolerance, 1)
        axes.axvspan(-reach, -100 * tolerance, color=_BAD, alpha=0.07, lw=0)
        axes.axvline(0, color=_MUTED, lw=1)
        axes.plot([low, high], [0, 0], color=_ACCENT, lw=3, solid_capstyle="round")
        axes.plot([middle], [0], "o", color=_ACCENT, ms=9)
        axes.set(xlim=(-reach, reach), ylim=(-1, 1), yticks=[])
        axes.set_xlabel("challenger less champion, percentage points of accuracy")
        axes.spines["left"].set_visible(False)
        return _uri(figure)


def _uri(figure: Figure) -> str:
    FigureCanvasSVG(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
