"""The project file: what a user wants, in one frozen model made of the steps' own settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlencode, urlsplit

from coralline_converter.settings import ConvertSettings
from coralline_core.errors import CorallineError
from coralline_core.settings import PROJECT_NAME, Settings
from coralline_core.store import Store, open_store
from coralline_crawler.settings import CrawlOptions, CrawlSettings, Labels
from coralline_cropper.settings import CropOptions, CropSettings
from coralline_curator.settings import CurateSettings
from coralline_edgetpu_compiler.settings import CompileSettings
from coralline_publisher.settings import PublishOptions, PublishSettings
from coralline_trainer.settings import TrainSettings
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from coralline.cluster.settings import KubernetesSettings
from coralline.problems import Problem, problems_in
from coralline.yaml_source import YamlSource

STEPS = ("crawl", "curate", "crop", "train", "convert", "compile", "publish")


class StoreSettings(Settings):
    """Where images, datasets and models are kept. Credentials are the machine's own, never here."""

    uri: str = Field(default="./store", min_length=1)
    """A folder (relative to the project file), `file:///folder`, `gs://bucket/prefix` or
    `s3://bucket/prefix`."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://")
    """`s3://`: the URL of a service that is not Amazon's."""

    region: str | None = Field(default=None, min_length=1)
    """`s3://`: the bucket's region; by default the environment's."""

    @property
    def address(self) -> str:
        """All of it in one URI, as `open_store` takes it."""
        options = {"endpoint": self.endpoint, "region": self.region}
        query = urlencode({name: value for name, value in options.items() if value})
        return f"{self.uri}?{query}" if query else self.uri

    @property
    def in_bucket(self) -> bool:
        """Whether other machines can reach it, too."""
        parts = urlsplit(self.uri)
        return parts.scheme in ("gs", "s3") and bool(parts.netloc)

    @model_validator(mode="after")
    def _can_be_written(self, info: ValidationInfo) -> Self:
        if not info.context:
            return self
        if not self.uri.isprintable():
            raise ValueError("a store's name may hold printable characters only")
        try:
            here = self
            if not urlsplit(self.uri).scheme:
                folder = Path(info.context["folder"], Path(self.uri).expanduser())
                here = self.model_copy(update={"uri": str(folder)})
            if info.context["reach"] or not self.in_bucket:
                open_store(here.address).check_writable()
        except (CorallineError, RuntimeError) as error:  # RuntimeError: `~nobody`
            raise ValueError(str(error)) from error
        return here


def _in_full(store: Any) -> Any:
    """A store that is only a name becomes a mapping."""
    return {"uri": store} if isinstance(store, str) else store


class Project(Settings):
    """A project: labels with their queries, and the settings of each step."""

    name: str = Field(pattern=PROJECT_NAME)
    """Lower-case letters, digits and hyphens."""
    store: Annotated[
        StoreSettings, BeforeValidator(_in_full, json_schema_input_type=str | StoreSettings)
    ] = Field(default=StoreSettings(), validate_default=True)
    """Where images, datasets and models are kept: a folder or a URI, or a mapping."""
    labels: Labels
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
    kubernetes: KubernetesSettings = KubernetesSettings()
    """Where the steps run on a cluster, and with how much."""

    def open_store(self) -> Store:
        """The project's store."""
        return open_store(self.store.address)

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
        # A bucket's name needs no credentials here, where only a cluster may have them.
        store = self.store.address if self.store.in_bucket else self.open_store().uri
        return {"store": store, **arguments}


def load_project(path: Path, store: str | None = None, *, reach: bool = True) -> Project:
    """Read a project file.

    Args:
        path: The file. Paths in it are relative to its folder, and absolute in the result.
        store: A store to use instead of the file's.
        reach: Whether the store must be one that this machine can write. Not where the project is
            for a cluster, whose identity alone may open it.

    Raises:
        CorallineError: There is something wrong with it; the first such thing is named.
    """
    project, problems = _read(path, store, reach=reach)
    if project is None or problems:
        first, others = problems[0], len(problems) - 1
        more = f"{others} more: coralline check {path}" if others else None
        fix = " ".join(filter(None, (first.fix, more)))
        raise CorallineError(first.what, where=first.where, fix=fix or None)
    return project


def open_store_of(place: str) -> Store:
    """The store of a project file, or the one that a folder's name or a URI is of.

    Raises:
        CorallineError: There is something wrong with the project file, or no such kind of store.
    """
    if "://" in place or Path(place).is_dir():
        return open_store(place)
    if not Path(place).exists():
        raise CorallineError(
            "no project file and no store is there",
            where=place,
            fix="Name a project file, or a store: its folder or its URI. "
            "Write a project file with `coralline init NAME`.",
        )
    return load_project(Path(place)).open_store()


def find_problems(path: Path) -> list[Problem]:
    """All that is wrong with a project file: its own words, its store, the files that it names.

    Changes nothing.
    """
    return _read(path, None, reach=True)[1]


def locate(where: str | None, path: Path) -> str | None:
    """Where an error of a step is: in the project file, with its line, if it names a key of it."""
    section = (where or "").partition(".")[0].partition(":")[0]
    if where is None or section not in Project.model_fields:
        return where
    lines = {".".join(map(str, key)): line for key, line in YamlSource.read(path).lines.items()}
    return f"{path}:{lines[where]}: {where}" if where in lines else f"{path}: {where}"


def _read(path: Path, store: str | None, *, reach: bool) -> tuple[Project | None, list[Problem]]:
    try:
        source = YamlSource.read(path)
    except CorallineError as error:
        return None, [Problem(where=error.where or str(path), what=error.what, fix=error.fix)]
    content = source.content if store is None else {**source.content, "store": store}
    try:
        context = {"folder": path.resolve().parent, "reach": reach}
        project = Project.model_validate(content, context=context)
    except ValidationError as error:
        return None, problems_in(source, error, Project)
    return project, problems_in(source, None, Project)
