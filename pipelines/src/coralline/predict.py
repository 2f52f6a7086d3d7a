"""A model folder at work on photos, which are cropped as its training photos were."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from coralline_core.errors import CorallineError
from coralline_core.model import INT8, MODEL_JSON, ModelSpec
from coralline_core.reports import Report
from coralline_cropper.cut import Cropper
from coralline_cropper.decode import decode_image
from coralline_cropper.settings import CropSettings
from PIL import Image
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_FILES = {".jpg", ".jpeg", ".png"}  # what `draw` writes, where it is given a file
_FONT = "sans"  # OpenCV's own: Latin, Greek, Cyrillic and Chinese letters
_MAX_PIXELS = 100_000_000  # more would be decoded to 300 MB and up
_INK, _PAPER = (255, 255, 255), (150, 60, 0)  # BGR


class Prediction(Report):
    """What the model says of one crop."""

    image: Path
    box: tuple[int, int, int, int]
    """Left, top, width, height of what the model saw, its margin included, in px of the photo."""
    label: str
    """The likeliest."""
    probability: float
    """The label's, 0 to 1."""
    probabilities: dict[str, float]
    """Of every label; the sum is 1, but for the steps of an 8-bit output."""
    detector_score: float | None
    """The face detector's, 0 to 1; None where there is no detector."""

    def __str__(self) -> str:
        left, top, width, height = self.box
        return f"{self.image}: {self.caption} ({width}x{height} px at {left},{top})"

    @property
    def caption(self) -> str:
        """Label and probability, for people."""
        return f"{self.label} {self.probability:.0%}"


def predict(model_dir: Path, images: Sequence[Path]) -> list[Prediction]:
    """Find what is to be classified in photos, and classify it with the int8 model.

    Photos are cropped with the settings of the training crops. For a model of drawn boxes nothing
    finds a box in a new photo: it is given the whole picture.

    Args:
        model_dir: A model folder with model.json, labels.txt and model_int8.tflite.
        images: Photos. One without a face, or with too small ones only, gives no prediction.

    Returns:
        In the images' order, and from left to right in each.

    Raises:
        CorallineError: A file of the folder is missing, or does not fit the others; an image
            cannot be read.
    """
    spec = ModelSpec.load(model_dir)
    cropper = Cropper(_crop_settings(spec, model_dir))
    classifier = _Classifier(model_dir / INT8, spec)
    predictions = []
    for image in images:
        for crop in cropper.crops(_read(image)):
            probabilities = classifier.classify(crop.pixels)
            label = max(probabilities, key=probabilities.__getitem__)
            predictions.append(
                Prediction(
                    image=image,
                    box=crop.region.box,
                    label=label,
                    probability=probabilities[label],
                    probabilities=probabilities,
                    detector_score=crop.region.score,
                )
            )
    return predictions


def draw(predictions: Sequence[Prediction], images: Sequence[Path], out: Path) -> list[Path]:
    """Draw boxes, labels and probabilities on copies of the photos.

    Args:
        predictions: What `predict` gave for the images.
        images: Photos; one without a prediction is copied as it is. Small ones are enlarged.
        out: A folder, which gets `<name>-predicted.jpg` for each photo; or, for one photo, a
            `.jpg` or `.png` file.

    Returns:
        The files written, one an image.

    Raises:
        CorallineError: A file cannot be written, or one of the images would be written over.
    """
    places = _places(images, out)
    for image, place in places.items():
        pixels = _drawn(_read(image), [one for one in predictions if one.image == image])
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(cv2.imencode(place.suffix, pixels)[1].tobytes())
        except OSError as error:
            raise CorallineError(error.strerror or str(error), where=str(place)) from error
    return list(places.values())


class _Classifier:
    """An int8 LiteRT model on one thread: the runtime that its accuracy was measured with."""

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        if not path.is_file():
            fix = "Name the `model` folder of a run that ended."
            raise CorallineError(f"{path.name} is missing", where=str(path.parent), fix=fix)
        try:
            with _without_greetings():
                self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        except ValueError as error:
            raise CorallineError("not a LiteRT model", where=str(path)) from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        takes = [(tensor["dtype"], *tensor["shape"]) for tensor in inputs]
        gives = [tuple(tensor["shape"]) for tensor in outputs]
        if takes != [(np.uint8, 1, *spec.input_shape)] or gives != [(1, len(spec.labels))]:
            what = f"the model does not take and give what {MODEL_JSON} says"
            raise CorallineError(what, where=str(path))
        with _without_greetings():
            self._interpreter.allocate_tensors()
        self._input, self._output = inputs[0], outputs[0]
        self._labels = spec.labels

    def classify(self, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """The probability of each label, for a crop (height, width, 3), BGR, uint8."""
        rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        self._interpreter.set_tensor(self._input["index"], rgb[np.newaxis])
        self._interpreter.invoke()
        raw = self._interpreter.get_tensor(self._output["index"])[0].astype(int)
        scale, zero_point = self._output["quantization"]
        probabilities = (scale * (raw - zero_point)).tolist()
        return dict(zip(self._labels, probabilities, strict=True))


def _crop_settings(spec: ModelSpec, model_dir: Path) -> CropSettings:
    said = spec.crop
    if said.get("mode") == "boxes":
        said = {**said, "mode": "whole", "boxes": None}
    where = str(model_dir / MODEL_JSON)
    try:
        settings = CropSettings.model_validate(said)
    except ValidationError as error:
        raise CorallineError(f"crop: {error.errors()[0]['msg']}", where=where) from error
    if spec.input_shape != (settings.size, settings.size, 3):
        shape = "x".join(map(str, spec.input_shape))
        what = f"the model takes {shape}, but was trained on crops of {settings.size} px"
        raise CorallineError(what, where=where)
    return settings


def _read(image: Path) -> NDArray[np.uint8]:
    try:
        data = image.read_bytes()
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(image)) from error
    if (size := _pixels(data)) > _MAX_PIXELS:
        what = f"{size / 1e6:,.0f} million pixels, where {_MAX_PIXELS / 1e6:.0f} are the most"
        raise CorallineError(what, where=str(image), fix="Give it a smaller copy.")
    pixels = decode_image(data)
    if pixels is None:
        fix = "Give it a JPEG, PNG, WebP, GIF, BMP or TIFF."
        raise CorallineError("not a whole image", where=str(image), fix=fix)
    return pixels


def _pixels(data: bytes) -> int:
    """How many pixels a picture says that it has; 0 where Pillow does not know its form."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # we have our own
    try:
        with Image.open(io.BytesIO(data)) as header:
            return header.width * header.height
    except Exception:  # noqa: BLE001 - Pillow's readers raise all kinds; OpenCV has the last word
        return 0
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Keep what LiteRT says on stderr, from C++, off the terminal: it has no switch for it."""
    stderr = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _places(images: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where the drawing of each image goes: never over an image, nor two to one place."""
    photos = list(dict.fromkeys(images))
    if out.suffix.lower() in _FILES and not out.is_dir():
        if len(photos) > 1:
            what = f"one file for {len(photos)} photos"
            raise CorallineError(what, where=str(out), fix="Name a folder.")
        places = dict.fromkeys(photos, out)
    else:
        places = {}
        for photo in photos:
            same = sum(other.stem == photo.stem for other in places)
            number = f"-{same + 1}" if same else ""
            places[photo] = out / f"{photo.stem}-predicted{number}.jpg"
    originals = {photo.resolve() for photo in photos}
    for place in places.values():
        if place.resolve() in originals:
            fix = "Name another file or folder."
            raise CorallineError("this would write over the photo", where=str(place), fix=fix)
    return places


def _drawn(pixels: NDArray[np.uint8], predictions: Sequence[Prediction]) -> NDArray[np.uint8]:
    """The picture with its predictions, large enough for their text to be read."""
    scale = max(1, -(-320 // max(pixels.shape[:2])))
    canvas = cv2.resize(pixels, None, fx=scale, fy=scale).astype(np.uint8, copy=False)
    line = max(1, max(canvas.shape[:2]) // 300)
    boxes = [tuple(scale * value for value in one.box) for one in predictions]
    for box in boxes:
        cv2.rectangle(canvas, box, _PAPER, line)
    for (left, top, width, _), prediction in zip(boxes, predictions, strict=True):
        _write(canvas, prediction.caption, left, top, width)
    return canvas


def _write(canvas: NDArray[np.uint8], caption: str, left: int, top: int, width: int) -> None:
    """Write a caption above a box, or in it, no wider than the box where it can be read so."""
    font, size = cv2.FontFace(_FONT), max(14, max(canvas.shape[:2]) // 32)
    wanted = cv2.getTextSize((0, 0), caption, (0, 0), font, size)[2] + size
    size = max(14, min(size, size * width // wanted))
    width = cv2.getTextSize((0, 0), caption, (0, 0), font, size)[2] + size
    height = round(1.4 * size)
    left = max(0, min(left, canvas.shape[1] - width))
    top = top - height if top >= height else top
    cv2.rectangle(canvas, (left, top, width, height), _PAPER, cv2.FILLED)
    cv2.putText(canvas, caption, (left + size // 2, top + size), _INK, font, size)
