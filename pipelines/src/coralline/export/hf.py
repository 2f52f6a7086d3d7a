"""Parquet files and a card: what Hugging Face's `datasets` loads by the folder's name."""

from __future__ import annotations

import html
import json
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from coralline_core import rows
from coralline_core.rows import SPLITS

from coralline.export.folder import by_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from coralline.export.source import Source

_UNSPLIT = "train"  # the name that `datasets` gives to what has no splits


def write_hf(source: Source, out: Path) -> None:
    """`data/<split>-<number>.parquet`, with images and a ClassLabel, and `README.md`, the card.

    Args:
        source: What is exported.
        out: The folder.
    """
    schema = _schema(source)
    data = out / "data"
    data.mkdir(exist_ok=True)
    for place, batches in source.shards():
        with ExitStack() as stack:
            files: dict[str, pq.ParquetWriter] = {}
            for batch in batches:
                for split, part in by_split(batch):
                    name = f"{split or _UNSPLIT}-{place:06}.parquet"
                    if name not in files:
                        writer = pq.ParquetWriter(data / name, schema, compression="zstd")
                        files[name] = stack.enter_context(writer)
                    files[name].write_batch(_row_group(part, schema, source.dataset.labels))
    there = {path.name.rpartition("-")[0] for path in data.iterdir()}
    splits = [split for split in SPLITS if split in there]
    (out / "README.md").write_text(_card(source, splits), encoding="utf-8")


def _schema(source: Source) -> pa.Schema:
    """The columns, with what `datasets` is to make of them."""
    known = rows.CROPS if source.dataset.kind == "crops" else rows.IMAGES
    fields = [known.field("image"), pa.field("label", pa.int64())]
    fields += [known.field(name) for name in source.columns if name not in ("label", "split")]
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": list(source.dataset.labels)},
    }
    for field in fields[2:]:
        features[field.name] = _feature(field.type)
    told = json.dumps({"info": {"features": features}})
    return pa.schema(fields, {"huggingface": told})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_fixed_size_list(kind):
        return {"_type": "List", "feature": _feature(kind.value_type), "length": kind.list_size}
    name = "float32" if pa.types.is_float32(kind) else str(kind)
    return {"_type": "Value", "dtype": name}


def _row_group(batch: pa.RecordBatch, schema: pa.Schema, labels: Sequence[str]) -> pa.RecordBatch:
    codes = pc.index_in(batch.column("label"), value_set=pa.array(labels, pa.string()))
    arrays = {name: batch.column(name) for name in schema.names if name != "label"}
    arrays["label"] = codes.cast(pa.int64())
    return pa.RecordBatch.from_pydict({name: arrays[name] for name in schema.names}, schema=schema)


def _card(source: Source, splits: Sequence[str]) -> str:
    """A dataset card in Markdown, with Hugging Face's front matter."""
    dataset = source.dataset
    licences: Counter[str] = Counter()
    for batch in source.metadata(["licence"]):
        licences.update(licence or "unknown" for licence in batch.column("licence").to_pylist())
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    front = {
        "license": "other",
        "license_name": "of-each-image",
        "task_categories": ["image-classification"],
        "tags": ["coralline"],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    counts = [
        [label, *(dataset.counts[label].get(split, 0) for split in (*SPLITS, ""))]
        for label in dataset.labels
    ]
    named = ["label", *SPLITS, "in no split"]
    kept = [at for at in range(len(named)) if at == 0 or any(row[at] for row in counts)]
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---",
            f"\n# {'Crops' if dataset.kind == 'crops' else 'Images'} of coralline\n",
            f"The dataset `{dataset.id}`, as `datasets.load_dataset` reads it.\n",
            *_table([named[at] for at in kept], [[row[at] for at in kept] for row in counts]),
            "\n## Licences\n",
            "Each image has a licence of its own, which stays with it. The columns `creator`,"
            " `licence`, `page_url` and `image_url` say whom to thank and what is allowed; where"
            " one is empty, it is not known.\n",
            *_table(["licence", "images"], [[name, n] for name, n in licences.most_common()]),
            "",
        ]
    )


def _table(header: Sequence[str], lines: Sequence[Sequence[object]]) -> list[str]:
    right = "--:|" * (len(header) - 1)
    return [_line(header), f"|---|{right}", *map(_line, lines)]


def _line(cells: Sequence[object]) -> str:
    """A line of a Markdown table; labels and licences are other people's text."""
    return f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split())).replace("|", "\\|")
