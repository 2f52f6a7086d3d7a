"""What a large store costs, as one table: `python -m benchmarks.scale [--write]`.

One line a measurement; it ends with 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import scale_crawl, scale_crop, scale_curate, scale_keep
from benchmarks.__main__ import machine
from benchmarks.scale_curate import ADDED, Cost

DOCS = Path(__file__).parents[1] / "docs" / "scale.md"
MARK = "<!-- measured -->\n"
PAIRS_SECONDS = 120
MEMORY = 1.5e9  # bytes
THERE = 1 / 500
"""Most that an image that is there already may add to a night's cost, as a share of what one that
comes costs: all steps taken together, by the slope between the smallest store and the largest."""


def main() -> int:
    """Measure, print, and with `--write` keep the table in docs/scale.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the table in docs/scale.md")
    given = parser.parse_args()
    costs = scale_curate.measure()
    added = {
        "crawl": [Cost(*cost[:3]) for cost in scale_crawl.measure()],
        "curate": costs.pop("curate 1,000 more"),
        "crop": scale_crop.measure(),
    }
    costs |= {f"{step} 1,000 more": of for step, of in added.items()}
    costs["1,000 more, all three"] = [
        Cost(of[0].images, sum(cost.seconds for cost in of), max(cost.bytes for cost in of))
        for of in zip(*added.values(), strict=True)
    ]
    costs |= scale_keep.measure()
    bounds = _bounds(costs)
    lines = [f"- {'kept' if kept else 'MISSED'}: {what}" for what, kept in bounds.items()]
    text = "\n".join([machine(), "", *_table(costs), "", *lines]) + "\n"
    print(text)
    if given.write:
        DOCS.write_text(DOCS.read_text().partition(MARK)[0] + MARK + "\n" + text)
    return int(not all(bounds.values()))


def _table(costs: dict[str, list[Cost]]) -> list[str]:
    """The costs as lines of Markdown."""
    sizes = [cost.images for cost in next(iter(costs.values()))]
    lines = ["| | " + " | ".join(f"{size:,} images" for size in sizes) + " |"]
    lines.append("|---" * (len(sizes) + 1) + "|")
    for what, of in costs.items():
        cells = (f"{cost.seconds:.1f} s, {cost.bytes / 1e6:,.0f} MB" for cost in of)
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


def _bounds(costs: dict[str, list[Cost]]) -> dict[str, bool]:
    """What must hold, in words, and whether it does."""
    largest = {what: of[-1] for what, of in costs.items()}
    heaviest = max(largest, key=lambda what: largest[what].bytes)
    most, pairs = largest[heaviest].bytes, largest["near pairs"]
    few, many = (costs["1,000 more, all three"][at] for at in (0, -1))
    new = few.seconds / ADDED
    there = max(many.seconds - few.seconds, 0) / (many.images - few.images)
    return {
        f"{pairs.images:,} images take at most {MEMORY / 1e9} GB: {heaviest} takes "
        f"{most / 1e9:.2f} GB": most <= MEMORY,
        f"all near pairs of {pairs.images:,} hashes within {PAIRS_SECONDS} s: "
        f"{pairs.seconds:.1f} s": pairs.seconds <= PAIRS_SECONDS,
        f"an image that is there costs a night at most {THERE:.1%} of one that comes: "
        f"{there * 1e6:.1f} µs of {new * 1e3:.1f} ms, {there / new:.2%}": there <= THERE * new,
    }


if __name__ == "__main__":
    sys.exit(main())
