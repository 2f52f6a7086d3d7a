"""imagehash, every pair: `python imagehash_peer.py HASHES.npy DISTANCE`."""

import json
import sys
import time

import imagehash
import numpy as np

hashes = [
    imagehash.ImageHash(np.unpackbits(np.array([value], ">u8").view(np.uint8)).reshape(8, 8))
    for value in np.load(sys.argv[1])
]
distance = int(sys.argv[2])
started = time.perf_counter()
pairs = sum(one - other <= distance for n, one in enumerate(hashes) for other in hashes[n + 1 :])
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "hashes": len(hashes), "pairs": int(pairs)}))
