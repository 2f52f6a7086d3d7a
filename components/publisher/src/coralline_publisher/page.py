"""The model card and the report page, from the templates beside this module."""

from __future__ import annotations

import platform
import re
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import yaml
from coralline_core import model as model_files
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from coralline_publisher import plots
from coralline_publisher.credits import CREDITS
from coralline_publisher.decide import only_answer
from coralline_publisher.folder import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from coralline_publisher.inputs import Inputs
    from coralline_publisher.report import PublishReport
    from coralline_publisher.settings import PublishSettings

CARD = "README.md"
SPLITS = ("train", "validation", "test")


def model_card(settings: PublishSettings, inputs: Inputs) -> str:
    """A model card (Mitchell et al., FAT* 2019) in Markdown with Hugging Face's front matter.

    It says nothing that differs between two runs of the same model, such as times: it is part of
    what the version is a hash of.
    """
    int8 = inputs.convert.int8_test
    front = {
        "library_name": "tflite",
        "pipeline_tag": "image-classification",
        "tags": ["coralline", "image-classification", "int8", "litert", inputs.train.architecture],
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": settings.name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": settings.name, "type": inputs.crops.id},
                        "metrics": [{"type": "accuracy", "value": round(int8.accuracy, 4)}],
                    }
                ],
            }
        ],
    }
    front_matter = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{front_matter}---\n\n{_render('card.md.jinja', settings=settings, inputs=inputs)}"


def report_page(
    settings: PublishSettings, inputs: Inputs, result: PublishReport, model: Path
) -> str:
    """The run as one HTML page that needs nothing else: no script, no font, no address.

    Args:
        settings: The `publish` section and the project's name.
        inputs: What the steps made.
        result: The decision.
        model: The model folder, for the sizes of its files.
    """
    return _render(
        "report.html",
        settings=settings,
        inputs=inputs,
        result=result,
        rejects=_rejects(inputs),
        sizes={name: (model / name).stat().st_size for name in files(model)},
        about=_about,
        only=only_answer(inputs.convert.int8_test),
        seconds={**inputs.seconds, "publish": result.seconds},
        curves={m: plots.learning_curves(inputs.history, m) for m in ("accuracy", "loss")},
        difference=(
            plots.difference(result.comparison, settings.tolerance) if result.comparison else None
        ),
        versions={
            "coralline": version("coralline-publisher"),
            "Python": platform.python_version(),
        },
    )


_ABOUT = {
    model_files.KERAS: "Keras 3, float32",
    model_files.H5: "Keras, the older HDF5 format",
    model_files.INT8: "LiteRT, int8 in full",
    model_files.MODEL_JSON: "labels, input, crop settings",
    model_files.LABELS: "labels, one a line",
    model_files.METRICS: "float model, validation and test",
    model_files.INT8_METRICS: "int8 model, validation and test",
    model_files.PREDICTIONS: "float model, every validation and test crop",
    model_files.INT8_PREDICTIONS: "int8 model, every validation and test crop",
    model_files.HISTORY: "training, epoch by epoch",
    CARD: "model card",
    CREDITS: "creator, licence and page of every photo",
    f"{model_files.SAVED_MODEL}/*": "TensorFlow's SavedModel",
    "*_edgetpu.tflite": "compiled for the Edge TPU",
    "*_vela*.tflite": "compiled for an Ethos-U, by Vela",
    "edgetpu.log": "what the Edge TPU's compiler said",
    "vela_*.log": "what Vela said",
}


def _about(name: str) -> str:
    """What a file of the model folder is, in a few words."""
    return next((said for pattern, said in _ABOUT.items() if fnmatchcase(name, pattern)), "")


def _rejects(inputs: Inputs) -> list[dict[str, Any]]:
    """Each step's rejects by reason, the most first."""
    steps: tuple[tuple[str, dict[str, int], dict[str, list[str]]], ...] = (
        ("crawl", inputs.crawl.rejected, inputs.crawl.examples),
        ("curate", inputs.curate.rejected, {}),
        ("crop", inputs.crop.rejected, {}),
    )
    return [
        {"step": step, "reason": reason, "count": count, "examples": examples.get(reason, [])}
        for step, rejected, examples in steps
        for reason, count in sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
        if count
    ]


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("coralline_publisher"),
        autoescape=True,  # labels, queries and addresses are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share, digits=1: f"{share:.{digits}%}",
        filesize=_file_size,
        duration=_duration,
        cell=_cell,
        join_words=_join_words,
        breakable=_breakable,
        epochs=_epochs,
    )
    environment.globals["splits"] = SPLITS
    return environment.get_template(template).render(**values) + "\n"


def _file_size(count: int) -> str:
    if count < 1e3:
        return f"{count} B"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _cell(text: object) -> Markup:
    """Text in a cell of a Markdown table."""
    return escape(text).replace("|", "\\|").replace("\n", " ")


def _join_words(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def _breakable(name: str) -> Markup:
    """A key or a file's name, which a narrow page breaks after a dot or an underscore only."""
    parts = re.split(r"(?<=[._])(?=.)", name)
    return Markup("<wbr>").join(parts)


def _epochs(ran: dict[str, int]) -> str:
    """What was trained for how long: a phase that did not run is left out."""
    phases = (("head", "the head alone"), ("all", "the whole network"))
    counts = [(ran.get(phase, 0), what) for phase, what in phases]
    said = [f"{n} epoch{'s' if n != 1 else ''} of {what}" for n, what in counts if n]
    return ", then ".join(said) or "No epoch"
