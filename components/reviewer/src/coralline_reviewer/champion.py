"""The champion at work on crops."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Self

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from coralline_core.errors import CorallineError
from coralline_core.model import CHAMPION, CHECKSUMS, INT8, MODEL_JSON, ModelSpec
from PIL import Image
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from coralline_core.store import Store
    from numpy.typing import NDArray


class _Named(BaseModel):
    """Of what the publisher writes into champion.json, what counts here."""

    version: str


def champion_version(store: Store) -> str | None:
    """Which version is the champion; None where there is none yet.

    Raises:
        CorallineError: champion.json says something else.
    """
    stored = store.get(CHAMPION)
    if stored is None:
        return None
    try:
        return _Named.model_validate_json(stored.data).version
    except ValidationError as error:
        raise CorallineError("not a champion", where=f"{store.uri}/{CHAMPION}") from error


class Champion:
    """An int8 model of the store, on one thread.

    Args:
        version: Which.
        spec: What its model.json says.
        model: The .tflite file.
    """

    def __init__(self, version: str, spec: ModelSpec, model: bytes) -> None:
        self.version = version
        self.labels = spec.labels
        self.side = spec.input_shape[0]
        """Of the crops that it takes, px."""
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    @classmethod
    def load(cls, store: Store, version: str) -> Self:
        """Fetch a version.

        Raises:
            CorallineError: A file of it is missing or wrong.
        """
        folder = f"models/{version}"
        files = [store.get(f"{folder}/{name}") for name in (MODEL_JSON, INT8, CHECKSUMS)]
        spec, model, checksums = (file.data if file else None for file in files)
        try:
            if spec is None or model is None:
                raise ValueError("a file is missing")
            if checksums is not None:  # before LiteRT is given what it may not survive
                _check(model, checksums)
            return cls(version, ModelSpec.model_validate_json(spec), model)
        except (ValueError, RuntimeError) as error:  # pydantic's and LiteRT's are
            what = f"the champion cannot be used: {str(error).splitlines()[0]}"
            fix = "See what else is wrong: coralline verify."
            raise CorallineError(what, where=f"{store.uri}/{folder}", fix=fix) from error

    def probabilities(self, picture: Image.Image) -> NDArray[np.float32]:
        """What a crop shows.

        Args:
            picture: `side` x `side` px, RGB.

        Returns:
            Shape (labels,), 0 to 1; their sum is 1, but for the steps of an 8-bit output.
        """
        pixels = np.asarray(picture, np.uint8)
        self._interpreter.set_tensor(self._input["index"], pixels[np.newaxis])
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._output["index"])[0]
        scale, zero_point = self._output["quantization"]
        return np.asarray((raw.astype(np.float32) - zero_point) * scale, np.float32)


def _check(model: bytes, checksums: bytes) -> None:
    line = f"{hashlib.sha256(model).hexdigest()}  {INT8}"
    if line not in checksums.decode(errors="replace").splitlines():
        raise ValueError(f"{INT8} is not what {CHECKSUMS} says")


def open_picture(png: bytes) -> Image.Image:
    """A crop as the model takes it: RGB.

    Raises:
        ValueError: It is no picture, or a damaged one.
    """
    try:
        return Image.open(io.BytesIO(png)).convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
