"""MTCNN on TensorFlow: `python mtcnn_peer.py FOLDER`."""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from mtcnn import MTCNN

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
detector = MTCNN(device="CPU:0")
photos = [path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())]


def faces(data: bytes) -> int:
    """Decode a photo and count its faces."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return len(detector.detect_faces(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))


faces(photos[0])
started = time.perf_counter()
found = sum(faces(data) for data in photos)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "images": len(photos), "faces": found}))
