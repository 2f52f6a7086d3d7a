"""The reference of the project file, from its models: `make docs` writes docs/project-file.md."""

from __future__ import annotations

import sys
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from coralline.problems import models_in
from coralline.project import STEPS, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_SECTIONS = (*STEPS, "kubernetes")

_INTRODUCTION = """\
<!-- Written by `make docs` from the settings of the steps: change those, not this file. -->

# The project file

A project file is YAML. `name` and two `labels` must be there; all else has a default. Paths are
relative to the file. `coralline init NAME` writes a commented one, `coralline check FILE` says all
that is wrong with one, and `coralline schema` prints its JSON schema for an editor.

Numbers and `true` or `false` are read as the key wants them, so a label may be called `no`, or `1`,
without quotes. An unknown key is an error.
"""

EXAMPLES = {
    "project": """\
name: helmets
labels:
  helmet:
    queries: [cyclist with helmet, person wearing bicycle helmet]
  no-helmet:
    queries: [cyclist without helmet, person riding bicycle]
""",
    "crawl": """\
crawl:
  sources: [openverse, bing]
  max_per_query: 500
  licences: [by, by-sa, cc0]
  contact: you@example.org
""",
    "crawl.sources": """\
crawl:
  sources:
    - google
    - {type: openverse, page_size: 10}
""",
    "curate": """\
curate:
  splits: {train: 0.6, validation: 0.2, test: 0.2}
""",
    "crop": """\
crop:
  mode: face
  margin: 0.3
""",
    "train": """\
train:
  model: {name: small_mobilenet, size: 64}
  epochs: 40
  learning_rate: 0.001
""",
    "convert": """\
convert:
  max_accuracy_drop: 0.02
""",
    "compile": """\
compile:
  targets: [edgetpu, ethos-u55-256, tflite-micro]
""",
    "compile.targets": """\
compile:
  targets:
    - {name: edgetpu, required: true}
    - {name: ethos-u55-256, max_sram_kib: 512}
""",
    "publish": """\
publish:
  min_accuracy: 0.9
""",
    "kubernetes": """\
kubernetes:
  pipeline_root: gs://my-bucket/kubeflow
  service_account: coralline
  retries: 3
""",
    "kubernetes.steps": """\
kubernetes:
  steps:
    crawl: {timeout: 12h}
    train: {cpu: "4", memory: 8Gi, accelerator: nvidia.com/gpu}
""",
}
"""By section; each is a part of a project file that `coralline check` accepts."""


def reference() -> str:
    """The whole of docs/project-file.md."""
    fields = Project.model_fields
    first = {name: field for name, field in fields.items() if name not in _SECTIONS}
    parts = [_INTRODUCTION, "## The project\n", _example("project"), _table("", first)]
    for name, field in first.items():
        parts += _below(name, field)
    for step in _SECTIONS:
        (model,) = models_in(fields[step].annotation)
        intro = f"## `{step}`\n\n{fields[step].description}\n"
        parts += [intro, _example(step), _table(step, model.model_fields)]
        for name, field in model.model_fields.items():
            parts += _below(f"{step}.{name}", field)
    return "\n".join(filter(None, parts))


def _below(path: str, field: FieldInfo) -> Iterator[str]:
    """The sections of the models that a field holds: one, those of a mapping, or of a union."""
    models = models_in(field.annotation)
    if not models:
        return
    text = field.description if len(models) > 1 else models[0].__doc__
    yield f"### `{_section(path, field)}`\n\n{_prose(text)}\n"
    yield _example(path)
    if len(models) == 1:
        yield _table(path, models[0].model_fields)
        return
    for model in models:
        names = _tags(model)
        title = f"`{names[0]}`" + (f" to `{names[-1]}`" if len(names) > 1 else "")
        yield f"#### {title}\n\n{_prose(model.__doc__)}\n"
        yield _table(path, model.model_fields)


def _section(path: str, field: FieldInfo) -> str:
    if get_origin(field.annotation) is not dict:
        return path
    return f"{path}.{path.split('.')[-1].removesuffix('s').upper()}"


def _example(path: str) -> str:
    return f"```yaml\n{EXAMPLES[path]}```\n" if path in EXAMPLES else ""


def _table(path: str, fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | is | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        kind = _kind(field.annotation, [*field.metadata])
        if models_in(field.annotation):
            section = _section(f"{path}.{name}".removeprefix("."), field)
            what, comma, bounds = kind.partition(",")
            kind = f"{what} of [`{section}`](#{section.lower().replace('.', '')}){comma}{bounds}"
        rows.append(f"| `{name}` | {kind} | {_default(field)} | {_prose(field.description)} |")
    return "\n".join(rows) + "\n"


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """A type and its bounds, in plain words."""
    if get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        return _kind(annotation, inner + metadata)
    arguments = [argument for argument in get_args(annotation) if argument is not NoneType]
    bounds = _bounds(metadata)
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if get_origin(annotation) is tuple:
        items = "list" if models_in(annotation) else f"list of {_kind(arguments[0], [])}"
        return f"{items}{bounds}"
    if get_origin(annotation) is dict or models_in(annotation):
        return f"mapping{bounds}"
    if len(arguments) == 1:  # X | None
        return _kind(arguments[0], metadata)
    if annotation in (int, float):
        return f"{'whole number' if annotation is int else 'number'}{bounds}"
    return {bool: "`true` or `false`", Path: "path"}.get(annotation, "text")


def _bounds(metadata: list[Any]) -> str:
    words = {
        "ge": "{} or more",
        "gt": "more than {}",
        "le": "{} or less",
        "lt": "less than {}",
        "multiple_of": "a multiple of {}",
        "min_length": "{} or more",
        "max_length": "{} or fewer",
    }
    limits = {
        name: getattr(limit, name)
        for name in words
        for limit in metadata
        if getattr(limit, name, None) is not None
    }
    said = [words[name].format(limit) for name, limit in limits.items()]
    if {"ge", "le"} <= limits.keys():
        said[:2] = [f"{limits['ge']} to {limits['le']}"]
    return "".join(f", {one}" for one in said)


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required() or len(_values(field.annotation)) == 1:
        return "must be there"  # a name of one value tells a union's types apart
    if default is None or isinstance(default, BaseModel) or field.default_factory:
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        names = (item if isinstance(item, str) else _tags(type(item))[0] for item in default)
        return f"`[{', '.join(names)}]`"
    return f"`{default}`"


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """By which names a union knows one of its types."""
    return next(
        values for field in model.model_fields.values() if (values := _values(field.annotation))
    )


def _values(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _prose(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    sys.stdout.write(reference())
