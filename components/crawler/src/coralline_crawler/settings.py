"""The `labels` and `crawl` sections of a project file."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from coralline_core.settings import Settings
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator


def _no_path(name: str) -> str:
    if name in (".", "..") or any(c in "/\\" or not c.isprintable() for c in name):
        raise ValueError(f"the label {name!r} may hold no slash, and be no `.` or `..`")
    if name != name.strip():
        raise ValueError(f"the label {name!r} may neither begin nor end blank")
    return name


LabelName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_no_path)]
Query = Annotated[str, Field(min_length=1, pattern=r"\S")]
Licence = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Label(Settings):
    """One of the things to tell apart."""

    queries: tuple[Query, ...] = Field(min_length=1)
    """What to search for to find pictures of it."""


Labels = Annotated[dict[LabelName, Label], Field(min_length=2)]


class OpenverseSource(Settings):
    """Openly licensed works, with creator and licence, from an API like Openverse's."""

    searches: ClassVar[bool] = True
    type: Literal["openverse"] = "openverse"
    """The source's name."""
    url: str = Field(default="https://api.openverse.org/v1/images/", pattern=r"^https?://")
    """Where the API is; it answers as https://api.openverse.org/v1/ does."""
    page_size: int = Field(default=20, ge=1, le=20)
    """Results a page; Openverse gives at most 20 without an account."""


class GoogleSource(Settings):
    """Google's image search. It names no licence, and its pages change often."""

    searches: ClassVar[bool] = True
    type: Literal["google"] = "google"
    """The source's name."""


class BingSource(Settings):
    """Bing's image search. It names no licence."""

    searches: ClassVar[bool] = True
    type: Literal["bing"] = "bing"
    """The source's name."""


class UrlsSource(Settings):
    """A CSV file of addresses."""

    searches: ClassVar[bool] = False
    type: Literal["urls"] = "urls"
    """The source's name."""
    path: Path
    """A file with the header `label,url`, and where you have them `page_url`, `creator`,
    `licence` and `group`; a relative path is relative to the project file."""
    licence: Licence | None = None
    """The licence of the lines that name none."""

    @field_validator("path")
    @classmethod
    def _lies_beside_the_project_file(cls, path: Path, info: ValidationInfo) -> Path:
        path = _beside_the_project_file(path, info)
        if info.context and not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path


class DirectorySource(Settings):
    """A folder of pictures that you have, with one subfolder for each label."""

    searches: ClassVar[bool] = False
    type: Literal["directory"] = "directory"
    """The source's name."""
    path: Path
    """The folder; a relative path is relative to the project file."""
    licence: Licence | None = None
    """The licence of these pictures, such as `own` where you took them yourself."""

    @field_validator("path")
    @classmethod
    def _lies_beside_the_project_file(cls, path: Path, info: ValidationInfo) -> Path:
        path = _beside_the_project_file(path, info)
        if info.context and not path.is_dir():
            raise ValueError(f"there is no folder {path}")
        return path


def _beside_the_project_file(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context["folder"], path) if info.context else path


AnySource = OpenverseSource | GoogleSource | BingSource | UrlsSource | DirectorySource
SOURCES = ("openverse", "google", "bing", "urls", "directory")


def _named(source: Any) -> Any:
    """A source that is only a name becomes a mapping; one that there is not is said plainly."""
    named = {"type": source} if isinstance(source, str) else source
    if isinstance(named, dict) and named.get("type") not in SOURCES:
        typed = "type" in named
        what = f"there is no source {named['type']!r}" if typed else "a source without a `type`"
        raise ValueError(f"{what}; use {', '.join(SOURCES)}")
    return named


SourceSettings = Annotated[
    AnySource,
    Field(discriminator="type"),
    BeforeValidator(
        _named, json_schema_input_type=Literal["openverse", "google", "bing"] | AnySource
    ),
]


class CrawlOptions(Settings):
    """Where images come from, and with what care they are fetched: the section as written."""

    sources: tuple[SourceSettings, ...] = (OpenverseSource(),)
    """Where to look: `openverse`, `google`, `bing`, or mappings with a `type`. Nowhere (`[]`)
    where all images are imported."""

    max_per_query: int = Field(default=240, ge=1, le=100_000)
    """Most results that a source is asked for, a query and a crawl. The next crawl goes on from
    there, and begins again with the first result when there are no more."""

    min_per_label: int = Field(default=20, ge=1)
    """With fewer images of a label than this, the step fails, and keeps what it has."""

    max_total: int | None = Field(default=None, ge=1)
    """Most images of a label in the dataset; the best are taken: those with the longest shorter
    side (more than 1024 px is no better), of these the sharpest, of these what the search named
    first. A label with twice as many is not searched for more."""

    licences: tuple[Licence, ...] = ()
    """Only images under one of these licences, such as `by`, `by-sa` or `cc0`, whatever their
    version; any by default, and those whose licence is not known."""

    refetch_after_days: float | None = Field(default=90, gt=0)
    """After so many days an image's URL is asked whether it is still the same, a thousand of them
    a crawl at most; null: never."""

    contact: str | None = Field(default=None, pattern=r"^[!-'*-~]+$")
    """An address of yours, e-mail or URL, said to every site that is asked. They like to know."""

    user_agent: str = Field(default="coralline/0.1", pattern=r"^[\x20-\x7e]+$")
    """How the crawler introduces itself; robots.txt is read for this name."""

    robots: bool = True
    """Obey robots.txt and `X-Robots-Tag`."""

    allow_private_addresses: bool = False
    """Fetch from this machine and your own network, too. Not for the web: a crawler that does can
    be led to what only your network should see."""

    concurrency: int = Field(default=64, ge=1, le=1024)
    """Most requests at once."""

    per_host: int = Field(default=8, ge=1, le=256)
    """Most requests at once to one host."""

    timeout: float = Field(default=30, gt=0, le=600)
    """Seconds that the fetching of one image may take, redirects and retries included."""

    retries: int = Field(default=2, ge=0, le=10)
    """How often a broken connection, a 429 or a 5xx is tried again."""

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Most bytes of an image file."""

    max_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels of an image: what is decoded has to fit into memory."""

    min_side: int = Field(default=32, ge=1)
    """Least px of an image's shorter side: what is smaller is an icon or a tracking pixel."""

    @property
    def introduction(self) -> str:
        """Who asks, and whom to turn to: the header `User-Agent`."""
        return f"{self.user_agent} ({self.contact})" if self.contact else self.user_agent


class CrawlSettings(CrawlOptions):
    """What the step is given: the options, and the project's labels."""

    labels: Labels
    """What to tell apart, each with the queries that find it."""
