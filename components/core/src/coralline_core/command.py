"""A step's thin shell: the same function behind the pipeline's wrapper and a command line."""

from __future__ import annotations

import argparse
import functools
import inspect
import re
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from pydantic import ValidationError

from coralline_core.errors import CorallineError
from coralline_core.handover import Handover
from coralline_core.progress import Progress
from coralline_core.settings import Settings
from coralline_core.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

S = TypeVar("S", bound=Settings)

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ARTIFACT = re.compile(r"[a-z]+/[a-z_]+")
_SOON = 15.0  # s


class Step(Generic[S]):
    """A step that can be called by a pipeline or from a command line.

    Args:
        name: The step's name in progress and in errors.
        settings: The model of its section of the project file.
        work: A function of `(settings, store, progress, *, input: Path, …, output: Path, …)`.
            Its docstring is the command's help.
    """

    def __init__(self, name: str, settings: type[S], work: Callable[..., None]) -> None:
        self.name = name
        self.settings = settings
        self.work = work
        functools.update_wrapper(self, work)

    def __call__(self, settings: Mapping[str, Any], store: str, **paths: str | Path) -> None:
        """Do the work, saying how it goes.

        Args:
            settings: The step's section of the project file.
            store: The store's URI.
            paths: The inputs and outputs of `work`.

        Raises:
            CorallineError: As `work` does; it has been said through Progress, too.
        """
        progress = Progress.from_environment(self.name)
        # A stopped container gets SIGTERM: end as on Ctrl-C, keeping what is done.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        progress.start()
        try:
            self.work(
                validated(self.settings, settings, self.name),
                open_store(store),
                progress,
                **{name: Path(path) for name, path in paths.items()},
            )
        except CorallineError as error:
            progress.fail(error)
            raise
        progress.end()

    def main(self, arguments: Sequence[str] | None = None) -> NoReturn:
        """The step as a command: `python -m coralline_<step> --settings … --store … --…`."""
        names = list(inspect.signature(self.work).parameters)[3:]
        parser = argparse.ArgumentParser(
            description=inspect.getdoc(self.work),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "--settings", type=Path, help=f"YAML with the step's settings: {self.settings.__name__}"
        )
        parser.add_argument("--store", required=True, help="the store's URI, or a folder")
        parser.add_argument(
            "--run",
            type=_run_name,
            help="a run's name: inputs and outputs are then no files but STEP/ARTIFACT of that "
            "run, in the store. Inputs are waited for; a step that was done is not done again",
        )
        for name in names:
            parser.add_argument(f"--{name.replace('_', '-')}", required=True)
        given = vars(parser.parse_args(arguments))
        # A stopped container gets SIGTERM: end as on Ctrl-C, keeping what is done.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            settings, store, run = (given.pop(name) for name in ("settings", "store", "run"))
            if run is None:
                self(read_settings(settings), store, **given)
            else:
                self._in_run(read_settings(settings), store, run, given)
        except CorallineError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(0)

    def _in_run(
        self, settings: Mapping[str, Any], uri: str, run: str, artifacts: Mapping[str, str]
    ) -> None:
        """Do the work on artifacts of a run that lie in the store."""
        places = {name: _place(name, value) for name, value in artifacts.items()}
        made = {name for name, (step, _) in places.items() if step == self.name}
        store = open_store(uri)
        handover = Handover(store, run)
        if handover.has(self.name):
            print(f"{self.name:<8} was done before in this run", file=sys.stderr)
            return
        try:
            needed = {step: None for step, _ in places.values() if step != self.name}
            if needed:
                print(f"{self.name:<8} waits for {', '.join(needed)}", file=sys.stderr, flush=True)
            handover.wait(needed)
            with tempfile.TemporaryDirectory() as folder:
                paths = {name: Path(folder, name) for name in places}
                for name in places.keys() - made:
                    handover.fetch(*places[name], paths[name])
                self(settings, uri, **paths)
                handover.deliver(self.name, {places[name][1]: paths[name] for name in made})
        except CorallineError as error:
            _tell(handover, self.name, error)
            raise


def validated(model: type[S], settings: Mapping[str, Any], name: str) -> S:
    """Settings as the model that they are of.

    Raises:
        CorallineError: They are not; the first key that is wrong is named.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise CorallineError(first["msg"], where=f"settings of {name}: {key}") from error


def read_settings(path: Path | None) -> dict[str, Any]:
    """The settings in a YAML file; none where no file is named.

    Raises:
        CorallineError: There is no such file, or it says something else.
    """
    if path is None:
        return {}
    import yaml  # a pipeline's task has its settings already, and starts without it

    try:
        with path.open("rb") as file:
            settings = yaml.safe_load(file)
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path)) from error
    except yaml.YAMLError as error:
        what = " ".join(str(error).split())
        raise CorallineError(f"not YAML: {what}", where=str(path)) from error
    if not isinstance(settings, dict):
        raise CorallineError("not a mapping of settings", where=str(path))
    return settings


def _tell(handover: Handover, step: str, failure: CorallineError) -> None:
    """Let those that wait know of a failure, if the store takes it soon: it may be what failed."""
    told: list[bool] = []

    def fail() -> None:
        with suppress(CorallineError):  # the step's own failure is what is said
            handover.fail(step, failure)
            told.append(True)

    telling = threading.Thread(target=fail, daemon=True)
    telling.start()
    telling.join(_SOON)
    if not told:
        print(
            f"{step:<8} the other steps could not be told: they wait until their deadline",
            file=sys.stderr,
        )


def _run_name(value: str) -> str:
    if not _RUN.fullmatch(value):
        raise argparse.ArgumentTypeError(f"{value!r} is no name: letters, digits, '.', '-', '_'")
    return value


def _place(name: str, value: str) -> tuple[str, str]:
    """The step and the name of an artifact, as `crawl/images`."""
    if not _ARTIFACT.fullmatch(value):
        what = f"{value!r} is no artifact of a run"
        fix = "With --run, name STEP/ARTIFACT, such as crawl/images."
        raise CorallineError(what, where=f"--{name.replace('_', '-')}", fix=fix)
    step, _, artifact = value.partition("/")
    return step, artifact
