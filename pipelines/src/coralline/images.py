"""The steps' images: which there are, and what they are called where they are built or pushed."""

from __future__ import annotations

import json
import os
from pathlib import Path

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
    path = path or Path(os.environ.get(ENVIRONMENT) or _BUILT)
    try:
        named = json.loads(path.read_bytes())
    except OSError as error:
        what = f"no file that says the steps' images: {error.strerror}"
        raise CorallineError(what, where=str(path), fix=_FIX) from error
    except ValueError as error:
        raise CorallineError(f"not JSON: {error}", where=str(path), fix=_FIX) from error
    references = named if isinstance(named, dict) else {}
    for component in COMPONENTS.values():
        reference = references.get(component)
        if not isinstance(reference, str) or not reference:
            raise CorallineError(f"names no image of {component}", where=str(path), fix=_FIX)
    return {step: references[component] for step, component in COMPONENTS.items()}
