"""The project file: what a user wants, in one frozen model made of the steps' own settings."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Self, get_args

from coralline_converter.settings import ConvertSettings
from coralline_core.errors import CorallineError
from coralline_core.settings import Settings
from coralline_core.store import Store, open_store
from coralline_crawler.settings import CrawlOptions, CrawlSettings, Label
from coralline_cropper.settings import CropOptions, CropSettings
from coralline_curator.settings import CurateSettings
from coralline_edgetpu_compiler.settings import CompileSettings
from coralline_publisher.settings import PublishOptions, PublishSettings
from coralline_trainer.settings import TrainSettings
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coralline.yaml_source import Key, YamlSource

STEPS = ("crawl", "curate", "crop", "train", "convert", "compile", "publish")


class Project(Settings):
    """A project: labels with their queries, and the settings of each step."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Lower-case letters, digits and hyphens."""
    store: str = "./store"
    """Where images, datasets and models are kept: a folder (relative to the project file) or a
    `file://` URI."""
    labels: dict[str, Label] = Field(min_length=2)
    """What to tell apart: each label with the queries that find it."""
    crawl: CrawlOptions = CrawlOptions()
    """Where images come from, and with what care they are fetched."""
    curate: CurateSettings = CurateSettings()
    """What counts as a duplicate, and how the images are split."""
    crop: CropOptions = CropOptions()
    """What is cut out of each image: faces, boxes of a file, or the whole."""
    train: TrainSettings = TrainSettings()
    """The network, and how it is trained."""
    convert: ConvertSettings = ConvertSettings()
    """How it is quantised, and how near to the original it must stay."""
    compile: CompileSettings = CompileSettings()
    """The accelerators to compile for."""
    publish: PublishOptions = PublishOptions()
    """When a model takes the champion's place."""

    def open_store(self) -> Store:
        """The project's store."""
        return open_store(self.store)

    def arguments(self) -> dict[str, Any]:
        """The pipeline's arguments: the store's URI and each step's settings, as JSON.

        What two steps share is said once in the project file and handed to both here.
        """
        crawl = CrawlSettings(labels=self.labels, **dict(self.crawl))
        crop = CropSettings(size=self.train.model.size, **dict(self.crop))
        publish = PublishSettings(name=self.name, **dict(self.publish))
        steps = {
            "crawl": crawl,
            "curate": self.curate,
            "crop": crop,
            "train": self.train,
            "convert": self.convert,
            "compile_model": self.compile,
            "publish": publish,
        }
        # KFP passes no null on: what is None is left out, since None is always a default.
        arguments = {
            step: settings.model_dump(mode="json", exclude_none=True)
            for step, settings in steps.items()
        }
        return {"store": self.open_store().uri, **arguments}


class Problem(BaseModel):
    """One thing that is wrong with a project file."""

    model_config = ConfigDict(frozen=True)

    where: str
    """The file, and the line and the key where there is one."""
    what: str
    fix: str | None = None

    @classmethod
    def of(cls, error: CorallineError, where: str) -> Self:
        """The problem that an error tells of."""
        return cls(where=error.where or where, what=error.what, fix=error.fix)

    def error(self) -> CorallineError:
        """The problem as an error."""
        return CorallineError(self.what, where=self.where, fix=self.fix)

    def __str__(self) -> str:
        return str(self.error())


def load_project(path: Path, store: str | None = None) -> Project:
    """Read a project file.

    Args:
        path: The file. Paths in it are relative to its folder, and absolute in the result.
        store: A store to use instead of the file's.

    Raises:
        CorallineError: There is something wrong with it; the first such thing is named.
    """
    project, problems = _read(path, store)
    if project is None or problems:
        first, others = problems[0], len(problems) - 1
        more = f"{others} more: coralline check {path}" if others else None
        raise CorallineError(first.what, where=first.where, fix=first.fix or more)
    return project


def find_problems(path: Path) -> list[Problem]:
    """All that is wrong with a project file: its own words, its store, the files that it names.

    Changes nothing.
    """
    project, problems = _read(path, None)
    if project is None:
        return problems
    try:
        project.open_store().check_writable()
    except CorallineError as error:
        problems.append(Problem.of(error, str(path)))
    return problems


def _read(path: Path, store: str | None) -> tuple[Project | None, list[Problem]]:
    try:
        source = YamlSource.read(path)
    except CorallineError as error:
        return None, [Problem.of(error, str(path))]
    problems = [
        Problem(where=source.where(key), what="the key stands here twice")
        for key in source.repeated
    ]
    content = dict(source.content)
    if store is not None:
        content["store"] = store
    try:
        project = Project.model_validate(content, context={"folder": path.resolve().parent})
    except ValidationError as error:
        return None, problems + [_problem(source, dict(one)) for one in error.errors()]
    return project, problems


def _problem(source: YamlSource, error: dict[str, Any]) -> Problem:
    key = source.known(tuple(part for part in error["loc"] if part != "[key]"))
    match error["type"]:
        case "extra_forbidden":
            allowed = _keys(key[:-1])
            close = difflib.get_close_matches(str(key[-1]), allowed, 1)
            fix = f"Did you mean `{close[0]}`?" if close else f"There are: {', '.join(allowed)}."
            return Problem(
                where=source.where(key), what="unknown key", fix=fix if allowed else None
            )
        case "missing":
            return Problem(where=source.where(key), what="is missing")
        case _:
            message = error["msg"].removeprefix("Value error, ")
            what = message[:1].lower() + message[1:]
            return Problem(where=source.where(key), what=what.removesuffix("."))


def _keys(key: Key) -> list[str]:
    """The keys that the settings at `key` have."""
    models: list[type[BaseModel]] = [Project]
    for part in key:
        if isinstance(part, str):
            named = [model.model_fields[part] for model in models if part in model.model_fields]
            models = [model for field in named for model in _models(field.annotation)] or models
    return sorted({name for model in models for name in model.model_fields})


def _models(annotation: object) -> list[type[BaseModel]]:
    """The settings models in a type: itself, or those of its union, tuple or dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
