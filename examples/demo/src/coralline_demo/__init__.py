"""The demo: an image site on loopback with faces in it, and the project file that learns them."""

from pathlib import Path

from coralline_demo.site import image_site

PROJECT = Path(__file__).parents[3] / "glasses.yaml"
"""The demo's project file, in the checkout that this package is installed from."""

__all__ = ["PROJECT", "image_site"]
