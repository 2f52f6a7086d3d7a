"""img2dataset, images as they are, into webdataset: `python img2dataset_peer.py URLS FOLDER`."""

import json
import sys
import tarfile
import time
from pathlib import Path

from img2dataset import download


def main() -> None:
    """Download and count."""
    urls, folder = sys.argv[1:]
    started = time.time()
    download(
        url_list=urls,
        output_folder=folder,
        output_format="webdataset",
        processes_count=2,
        thread_count=32,
        disable_all_reencoding=True,
        number_sample_per_shard=500,
        enable_wandb=False,
    )
    seconds = time.time() - started
    images = 0
    for shard in Path(folder).glob("*.tar"):
        with tarfile.open(shard) as tar:
            images += sum(name.endswith(".jpg") for name in tar.getnames())
    print(json.dumps({"seconds": seconds, "images": images}))


if __name__ == "__main__":
    main()
