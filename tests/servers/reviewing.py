"""The reviewer's process, on crops of two colours and a champion that tells them apart."""

import hashlib
import http.client
import io
import json
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import numpy as np
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.model import INT8, MODEL_JSON, ModelSpec
from coralline_core.store import open_store
from PIL import Image

SIDE = 32
LABELS = ("blue", "red")


def picture(colour, number):
    """A crop: noise, more or less of a colour, as PNG."""
    random = np.random.default_rng([number, colour == "red"])
    pixels = random.integers(0, 120, (SIDE, SIDE, 3), np.uint8)
    pixels[..., 0 if colour == "red" else 2] += np.uint8(60 + 5 * (number % 10))
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return png.getvalue()


def _photo(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def int8_model():
    """A real int8 model: more red than blue is red."""
    import tensorflow as tf

    network = tf.keras.Sequential(
        [
            tf.keras.layers.Input((SIDE, SIDE, 3)),
            tf.keras.layers.Rescaling(1 / 255),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(2, activation="softmax"),
        ]
    )
    network.layers[-1].set_weights([np.array([[-9.0, 9], [0, 0], [9, -9]]), np.zeros(2)])
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    seen = [picture(LABELS[number % 2], number) for number in range(20)]
    arrays = [np.asarray(Image.open(io.BytesIO(png)), np.float32)[None] for png in seen]
    converter.representative_dataset = lambda: ([array] for array in arrays)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


class Shelf:
    """A store with crops in it."""

    def __init__(self, uri, int8_model):
        self.uri = uri
        self.store = open_store(uri)
        self._model = int8_model

    def put_crops(self, crops, settings=None, saved_at=None, **columns):
        """Write (label, colour) pairs as the newest dataset; crop `i` is of photo `i`."""
        with ShardWriter(self.store, rows.CROPS, shard_bytes=64 << 10) as writer:
            for number, (label, colour) in enumerate(crops):
                png = picture(colour, number)
                row = {
                    "image": {"bytes": png, "path": f"{number}.png"},
                    "sha256": hashlib.sha256(png).hexdigest(),
                    "label": label,
                    "split": rows.SPLITS[number % 3],
                    "group": str(number),
                    "source_sha256": _photo(number),
                    "crop_index": 0,
                    "box": [10, 20, 30, 30],
                    "page_url": f"https://example.org/{number}",
                    "creator": "Ada",
                    "licence": "by",
                }
                writer.add({**row, **{name: value(number) for name, value in columns.items()}})
        dataset = Dataset(
            kind="crops",
            shards=tuple(writer.shards),
            counts=writer.counts,
            settings={"size": SIDE, **(settings or {})},
        )
        dataset.save(self.store, saved_at or datetime.now(UTC))
        return dataset

    def put_champion(self, version="v1", labels=LABELS):
        shape = (SIDE, SIDE, 3)
        spec = ModelSpec(
            labels=labels, input_shape=shape, architecture="mean", crop={"size": SIDE}, dataset="d"
        )
        self.store.put(f"models/{version}/{MODEL_JSON}", spec.model_dump_json().encode())
        self.store.put(f"models/{version}/{INT8}", self._model)
        self.store.put("champion.json", json.dumps({"version": version, "n": 1}).encode())


class Client:
    """Whoever asks a reviewer, as its page does.

    Args:
        url: Where it is.
    """

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, message=None, **headers):
        """The status, the headers and the body of an answer."""
        address = urlsplit(self.url)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if message is not None:
            headers = {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        body = json.dumps(message) if message is not None else None
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def get(self, path, **query):
        status, _, body = self.ask("GET", f"{path}?{urlencode(query)}" if query else path)
        assert status == 200, body
        return json.loads(body)

    def state(self, until=lambda _: True):
        """The state, once something holds of it."""
        deadline = time.monotonic() + 20
        while not until(state := self.get("/api/state")):
            assert time.monotonic() < deadline, state
            time.sleep(0.1)
        return state

    def ready(self):
        """The state once the crops are there, and the champion has looked at them all."""

        def done(state):
            scoring = state["scoring"]
            return state["dataset"] and (not scoring or scoring["done"] == scoring["total"])

        return self.state(done)

    def list(self, **query):
        return self.get("/api/list", **query)["rows"]

    def crops(self, *rows):
        dataset = self.state()["dataset"]
        found = self.get("/api/crops", dataset=dataset, rows=",".join(map(str, rows)))
        return found["crops"]

    def say(self, rows, label, act=None, **headers):
        act = act or uuid.uuid4().hex
        dataset = self.state()["dataset"]
        message = {"dataset": dataset, "rows": rows, "label": label, "id": act}
        return self.ask("POST", "/api/say", message, **headers)[0]

    def take_back(self, **named):
        return self.ask("POST", "/api/take-back", named)[0]


class Server(Client):
    """`python -m coralline_reviewer` at work."""

    def __init__(self, folder, uri, *arguments, labels=LABELS):
        settings = folder / "review.json"
        settings.write_text(json.dumps({"name": "colours", "labels": labels}))
        command = [sys.executable, "-m", "coralline_reviewer", "--port", "0"]
        command += ["--settings", settings, "--store", uri, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        super().__init__(self.process.stdout.readline().strip())
        assert self.url, self.process.wait()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(timeout=10)
        self.process.stdout.close()
        return code


@contextmanager
def serving(folder):
    """Starts servers; all are ended."""
    servers = []

    def serve(shelf, *arguments, **options):
        servers.append(Server(folder, shelf.uri, *arguments, **options))
        return servers[-1]

    yield serve
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        server.process.stdout.close()
