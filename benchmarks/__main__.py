"""Every measurement, or some, as one table: `python -m benchmarks [--write] [crawler …]`."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from benchmarks import crawler, cropper, dedupe, overhead
from benchmarks.peer import Result

MEASUREMENTS = {
    "crawler": crawler.measure,
    "cropper": cropper.measure,
    "dedupe": dedupe.measure,
    "overhead": overhead.measure,
}
README = Path(__file__).with_name("README.md")
MARK = "<!-- measured -->\n"


def main() -> None:
    """Measure, print, and with `--write` keep the table in benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *MEASUREMENTS], help="all by default")
    parser.add_argument("--write", action="store_true", help="keep the table in README.md")
    given = parser.parse_args()
    results: list[Result] = []
    for name in given.what or MEASUREMENTS:
        print(f"measuring the {name} …", flush=True)
        results += MEASUREMENTS[name]()
    text = "\n".join((machine(), "", *table(results))) + "\n"
    print(text)
    if given.write:
        README.write_text(README.read_text().partition(MARK)[0] + MARK + "\n" + text)


def table(results: list[Result]) -> list[str]:
    """The results as lines of Markdown; a ratio is ours against the peer's rate, in one run."""
    lines = ["| measurement | coralline | peer | | ratio |", "|---|---|---|---|---|"]
    return lines + [
        f"| {result.what} | {result.ours:,.1f} {result.unit} | {result.peer} "
        f"| {result.theirs:,.1f} {result.unit} | **{result.ours / result.theirs:.1f}** |"
        for result in results
    ]


def machine() -> str:
    """What it was measured on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Measured on {cores} cores of {cpu}, {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}."
    )


if __name__ == "__main__":
    main()
