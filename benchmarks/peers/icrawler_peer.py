"""icrawler's URL list crawler: `python icrawler_peer.py URLS FOLDER THREADS`."""

import json
import logging
import sys
import time
from pathlib import Path

from icrawler.builtin import UrlListCrawler

urls, folder, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
crawler = UrlListCrawler(
    downloader_threads=threads,
    storage={"root_dir": str(folder)},
    log_level=logging.CRITICAL,
)
started = time.time()
crawler.crawl(str(urls))
# Its threads wait 5 s for more before they end; it is measured to its last image.
stored = [path.stat().st_mtime for path in folder.iterdir()]
print(json.dumps({"seconds": max(stored) - started, "images": len(stored)}))
