"""The steps' images: which there are, and what they are called where they are built or pushed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from coralline_core.errors import CorallineError

COMPONENTS = {
    "crawl": "crawler",
    "curate": "curator",
    "crop": "cropper",
    "train": "trainer",
    "convert": "converter",
    "compile": "edgetpu-compiler",
    "publish": "publisher",
}
"""The component, and so the image, of each step."""

ENVIRONMENT = "CORALLINE_IMAGES"
_BUILT = Path("images", "built.json")
_FIX = (
    "Build them with `make images` or `make push`, and name the file that it writes in the "
    f"project file as kubernetes.images, or in {ENVIRONMENT}."
)


def read_images(path: Path | None) -> dict[str, str]:
    """The reference of each step's image, by which Docker and Kubernetes find it.

    Args:
        path: A JSON file of references by component: `{"crawler": "…@sha256:…", …}`. None is the
            file that CORALLINE_IMAGES names, or else `images/built.json`.

    Raises:
        CorallineError: There is no such file, or it does not name every image.
    """
    path, references = _read(path)
    return {step: _reference(references, component, path) for step, component in COMPONENTS.items()}


def reviewer_image(path: Path | None) -> str:
    """The reference of the reviewer's image, as `read_images` has those of the steps.

    Raises:
        CorallineError: There is no such file, or it does not name this image.
    """
    path, references = _read(path)
    return _reference(references, "reviewer", path)


def _read(path: Path | None) -> tuple[Path, dict[str, Any]]:
    path = path or Path(os.environ.get(ENVIRONMENT) or _BUILT)
    try:
        named = json.loads(path.read_bytes())
    except OSError as error:
        what = f"no file that says the steps' images: {error.strerror}"
        raise CorallineError(what, where=str(path), fix=_FIX) from error
    except ValueError as error:
        raise CorallineError(f"not JSON: {error}", where=str(path), fix=_FIX) from error
    return path, named if isinstance(named, dict) else {}


def _reference(references: dict[str, Any], component: str, path: Path) -> str:
    reference = references.get(component)
    if not isinstance(reference, str) or not reference:
        raise CorallineError(f"names no image of {component}", where=str(path), fix=_FIX)
    return reference
