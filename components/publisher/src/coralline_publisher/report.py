"""What the publisher says of its work."""

from __future__ import annotations

from coralline_core.reports import Gate, Report


class Comparison(Report):
    """Challenger and champion on the same test crops, by the challenger's labels."""

    n: int
    """Test crops that both predicted."""
    challenger: float
    """Accuracy on them."""
    champion: float
    """Accuracy on them."""
    gained: int
    """Crops that only the challenger has right."""
    lost: int
    """Crops that only the champion has right."""
    difference: float
    """Challenger's accuracy less the champion's."""
    interval: tuple[float, float]
    """Of the difference, by a paired bootstrap."""
    confidence: float
    """Of the interval."""


class PublishReport(Report):
    """What was decided, and why."""

    published: bool
    """Whether the model is the champion now."""
    version: str | None
    """Its version in the store; None where it was kept back."""
    decision: str
    """One sentence with the numbers."""
    champion: str | None
    """The champion's version before."""
    comparison: Comparison | None
    """None where there was nothing to compare with, or a gate had failed."""
    behind: float
    """How far below the best of the champions before it the champion is, once this model is
    one: what they lost in a row, 0 to 1."""
    floor: float
    """Least accuracy of the int8 model."""
    gates: tuple[Gate, ...]
    """The converter's, the compiler's, the floor, and the store's."""
    seconds: float
