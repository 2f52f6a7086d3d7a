"""What the other steps would have left behind, small and real: files, shards, a store."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.metrics import evaluate
from coralline_core.model import ModelSpec
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_publisher.inputs import Inputs
from coralline_publisher.publish import publish
from coralline_publisher.settings import PublishSettings

PICTURE = base64.b64encode(b"\xff\xd8\xff\xd9").decode()
REPORTS = ("crawl", "curate", "crop", "train", "convert", "compile")


@dataclass
class Made:
    """The paths of a run's artifacts."""

    folder: Path
    store: FileStore

    @property
    def paths(self):
        names = ("curated", "crops", "model", "converted", "compiled")
        reports = {f"{step}_report": self.folder / f"{step}.json" for step in REPORTS}
        return {name: self.folder / name for name in names} | reports

    def change(self, step, **values):
        """Rewrite some keys of a step's report."""
        path = self.folder / f"{step}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    def inputs(self):
        names = ("curated", "crops", "model", "converted", "compiled")
        return Inputs.read(
            self.store,
            **{name: self.folder / name for name in names},
            reports={step: self.folder / f"{step}.json" for step in REPORTS},
        )

    def publish(self, store=None, progress=None, **settings):
        return publish(
            PublishSettings(**{"name": "hats"} | settings),
            self.inputs(),
            store or self.store,
            self.published,
            progress or Progress.silent(),
        )

    @property
    def published(self):
        return self.folder / "published"


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def make(tmp_path, store):
    """Makes the artifacts of a run whose int8 model is wrong on the test crops of `wrong`."""

    def made(name="run", wrong=(), labels=("hat", "none"), tests=40, weights=b"weights"):
        folder = tmp_path / name
        for part in ("model", "converted", "compiled"):
            (folder / part).mkdir(parents=True)
        predicted = predictions(labels, tests, wrong)
        crops = write_crops(store, predicted)
        crops.write(folder / "crops")
        crops.model_copy(update={"kind": "curated"}).write(folder / "curated")
        write_model(folder, crops, predicted, weights)
        write_reports(folder, crops, labels, predicted)
        return Made(folder, store)

    return made


def predictions(labels, tests, wrong):
    found = []
    for index in range(tests + 10):
        label = labels[index % len(labels)]
        said = labels[(index + (index in wrong)) % len(labels)]
        values = np.full(len(labels), 0.1 / (len(labels) - 1), np.float32)
        values[labels.index(said)] = 0.9
        sha = hashlib.sha256(str(index).encode()).hexdigest()
        found.append(
            {
                "crop": rows.crop_key(sha, 0),
                "sha256": sha,
                "split": "test" if index < tests else "validation",
                "label": label,
                "predicted": said,
                "probabilities": values,
            }
        )
    return found


def write_crops(store, predicted):
    with ShardWriter(store, rows.CROPS) as writer:
        for row in predicted:
            writer.add(
                {
                    "image": {"bytes": row["sha256"].encode(), "path": "a.png"},
                    "sha256": row["sha256"],
                    "label": row["label"],
                    "split": row["split"],
                    "source": "openverse",
                    "licence": "by|sa 4.0",
                    "source_sha256": row["sha256"],
                    "crop_index": 0,
                }
            )
    return Dataset(kind="crops", shards=tuple(writer.shards), counts=writer.counts)


def write_model(folder, crops, predicted, weights):
    model, converted = folder / "model", folder / "converted"
    ModelSpec(
        labels=crops.labels,
        input_shape=(96, 96, 3),
        architecture="mobilenet_v2",
        crop={"mode": "face"},
        dataset=crops.id,
    ).save(model)
    for name in ("model.keras", "model.h5", "metrics.json"):
        (model / name).write_bytes(weights)
    (model / "tensorboard").mkdir()
    (model / "tensorboard" / "events").write_bytes(b"log")
    epoch = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7}
    history = [{"phase": "head", "epoch": 1} | epoch, {"phase": "all", "epoch": 1} | epoch]
    (model / "history.json").write_text(json.dumps(history))
    table = pa.Table.from_pylist(predicted, schema=rows.PREDICTIONS)
    pq.write_table(table, model / "predictions.parquet")
    pq.write_table(table, converted / "predictions_int8.parquet")
    (converted / "model_int8.tflite").write_bytes(weights)
    (converted / "metrics_int8.json").write_text("{}")
    explained = [
        {
            "crop": row["crop"],
            "label": row["label"],
            "predicted": row["predicted"],
            "probability": 0.9,
            "correct": row["label"] == row["predicted"],
            "image": PICTURE,
            "overlay": PICTURE,
        }
        for row in predicted[:6]
    ]
    gallery = {"layer": "last", "explained": explained}
    (converted / "gradcam.json").write_text(json.dumps(gallery))
    (folder / "compiled" / "model_int8_vela.tflite").write_bytes(b"vela" + weights)


def write_reports(folder, crops, labels, predicted):
    test = [row for row in predicted if row["split"] == "test"]
    measured = evaluate(
        crops.labels,
        np.array([crops.labels.index(row["label"]) for row in test]),
        np.array([_one_hot(crops.labels, row["predicted"]) for row in test]),
    ).model_dump(mode="json")
    url = "https://example.org/a.jpg?x=<b>&y=1"
    photo = {"sha256": "ab", "image_url": url, "page_url": url}
    reports = {
        "crawl": {
            "crawled": 70,
            "fetched": 68,
            "rejected": {"http-404": 3, "too-small": 1},
            "examples": {"http-404": [url, "javascript:alert(1)"]},
            "labels": {
                label: {
                    "images": 35,
                    "queries": {f"a {label}": {"found": 40, "kept": 35}},
                    "rejected": {},
                }
                for label in labels
            },
            "seconds": 12.5,
        },
        "curate": {
            "kept": 60,
            "rejected": {"duplicate": 4, "two-labels": 6},
            "near_duplicates": [
                {
                    "rejected": photo | {"labels": ["hat"], "image_url": "https://copy.example/1"},
                    "kept": photo | {"labels": ["hat"]},
                    "distance": 5,
                }
            ],
            "conflicts": [[photo | {"labels": [label]} for label in labels]],
            "conflict_count": 3,
            "counts": crops.counts,
            "groups": 30,
            "seconds": 0.5,
        },
        "crop": {
            "photos": 60,
            "crops": len(crops),
            "rejected": {"no-face": 9, "too-small": 1},
            "crops_per_photo": {0: 9, 1: 51},
            "seconds": 1.5,
            "samples": {label: [PICTURE] * 3 for label in labels},
            "without_crops": [PICTURE],
        },
        "train": {
            "architecture": "mobilenet_v2",
            "parameters": 2_260_546,
            "epochs": {"head": 1, "all": 1},
            "best": "all 1",
            "stopped_early": True,
            "bytes": 7,
            "seconds": 110.0,
        },
        "convert": {
            "float_test": measured,
            "int8_test": measured,
            "agreement": 1.0,
            "agreement_by_label": dict.fromkeys(labels, 1.0),
            "largest_difference": 0.01,  # more than the publisher reads
            "bytes": 2_700_000,
            "latency_ms": 0.66,
            "runtime": "ai-edge-litert",
            "gates": [{"key": "convert.min_agreement", "passed": True, "message": "agree"}],
            "seconds": 18.0,
        },
        "compile": {
            "targets": [
                {
                    "name": "edgetpu",
                    "compiled": False,
                    "predicted": True,
                    "mapped_share": 0.9,
                    "reasons": ["edgetpu_compiler is not installed"],
                    "ops": [
                        {"op": "CONV_2D", "count": 9, "mapped": True, "reason": None},
                        {"op": "MEAN", "count": 1, "mapped": False, "reason": "axis"},
                    ],
                }
            ],
            "gates": [{"key": "compile.edgetpu", "passed": True, "message": "mapped"}],
            "seconds": 2.0,
        },
    }
    for step, report in reports.items():
        (folder / f"{step}.json").write_text(json.dumps(report))


def _one_hot(labels, label):
    return [float(one == label) for one in labels]
