"""Fetching images: every check on, against icrawler and img2dataset."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_crawler.crawl import crawl
from coralline_crawler.settings import CrawlSettings

from benchmarks.peer import Result, run_peer
from benchmarks.server import serving

IMAGES = {0: 3_000, 100: 1_000}  # by latency, ms


def measure() -> list[Result]:
    """The same URLs by each, from a server without latency and from one with 100 ms."""
    return [result for latency, count in IMAGES.items() for result in _measure(count, latency)]


def _measure(count: int, latency: int) -> list[Result]:
    with tempfile.TemporaryDirectory() as name, serving(count, latency) as urls:
        folder = Path(name)
        (folder / "urls.txt").write_text("\n".join(urls))
        ours = _ours(folder, urls)
        icrawler = run_peer("icrawler_peer", folder / "urls.txt", folder / "icrawler", 16)
        img2dataset = run_peer(
            "img2dataset_peer",
            folder / "urls.txt",
            folder / "img2dataset",
            packages=("img2dataset==1.47.0", "numpy<2", "pyarrow<20"),
        )
    what = f"{count:,} images of 66 KB, {latency} ms of latency"
    return [
        Result(what, ours, name, peer["images"] / peer["seconds"], "images/s")
        for name, peer in (
            ("icrawler, 16 threads", icrawler),
            ("img2dataset, 2 x 32, undecoded", img2dataset),
        )
    ]


def _ours(folder: Path, urls: list[str]) -> float:
    """Images a second, from the first request to the last row in the store."""
    listed = folder / "urls.csv"
    listed.write_text(
        "label,url\n" + "".join(f"{'ab'[n % 2]},{url}\n" for n, url in enumerate(urls))
    )
    settings = CrawlSettings.model_validate(
        {
            "labels": {"a": {"queries": ["a"]}, "b": {"queries": ["b"]}},
            "sources": [{"type": "urls", "path": str(listed)}],
            "max_per_query": len(urls),
            "allow_private_addresses": True,
        }
    )
    started = time.perf_counter()
    dataset, _ = crawl(settings, FileStore(folder / "store"), Progress.silent())
    return len(dataset) / (time.perf_counter() - started)
