"""After a build of the images: name each by its content, and print their sizes.

    docker buildx bake -f images/docker-bake.hcl && python images/built.py
    docker buildx bake -f images/docker-bake.hcl --push --metadata-file images/pushed.json \
        && python images/built.py images/pushed.json

Either way `images/built.json` says by which name each image is to be run:
`localhost/coralline/cropper:…` with the first digits of its id, or, once it is pushed,
`…/cropper@sha256:…`. Neither ever names anything else, so that a cluster runs what was built, and
a pipeline's cache knows what is new.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
BUILT = FOLDER / "built.json"
BAKE = ["docker", "buildx", "bake", "--file", str(FOLDER / "docker-bake.hcl")]

LIMITS = {"trainer": 1700, "converter": 1700, "cropper": 500, "demo": 500}
OTHERS = 350
"""Most MB (10^6 bytes) of an image over its base."""

_LARGEST = 3
_SITE_PACKAGES = "/opt/coralline/lib/python3*/site-packages"


class Size(NamedTuple):
    """How much an image adds to its base."""

    image: str
    total: int
    """In bytes."""
    limit: int
    layers: tuple[int, ...]
    """In bytes, the lowest first."""
    largest: tuple[tuple[str, int], ...]
    """Its largest packages: folders of Python's, and their bytes."""

    def __str__(self) -> str:
        layers = " + ".join(f"{size / 1e6:.1f}" for size in self.layers if size >= 50_000)
        largest = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in self.largest)
        total = f"{self.total / 1e6:.0f} of {self.limit}"
        return f"{self.image:<17}{total:<15}{layers:<37}{largest}"


def main() -> None:
    """Write `built.json` and print a line an image; the exit code is 1 if one is too large."""
    if len(sys.argv) > 1:
        _write(pushed(Path(sys.argv[1])))
        return
    images = name_by_content()
    _write(images)
    print(f"\n{'MB over the base':<32}{'by layer':<37}largest packages")
    sizes = [measure(image, reference) for image, reference in images.items()]
    print(*sizes, sep="\n")
    if excess := [size.image for size in sizes if size.total > size.limit * 1_000_000]:
        sys.exit(f"larger than they may be: {', '.join(excess)}")


def name_by_content() -> dict[str, str]:
    """Tag each image that was built with the first digits of its id.

    Returns:
        The references, by image.
    """
    references = {}
    for image, tag in _tags().items():
        identity = _output("docker", "image", "inspect", "--format={{.Id}}", tag)
        references[image] = f"{_repository(tag)}:{identity.removeprefix('sha256:')[:12]}"
        _output("docker", "image", "tag", tag, references[image])
    return references


def pushed(metadata: Path) -> dict[str, str]:
    """The references of images that were pushed, from what `--metadata-file` wrote."""
    said = json.loads(metadata.read_bytes())
    return {
        image: f"{_repository(tag)}@{said[image]['containerimage.digest']}"
        for image, tag in _tags().items()
    }


def _tags() -> dict[str, str]:
    """The name that each image is built under, by image."""
    plan = json.loads(_output(*BAKE, "--print", "--progress=quiet"))
    return {image: target["tags"][0] for image, target in plan["target"].items()}


def _repository(tag: str) -> str:
    return tag.rpartition(":")[0]


def measure(image: str, reference: str) -> Size:
    """Measure an image that was built on this machine."""
    layers = _layers(reference)
    limit = LIMITS.get(image, OTHERS)
    return Size(image, sum(layers), limit, tuple(layers), tuple(_packages(reference)[:_LARGEST]))


def _layers(reference: str) -> list[int]:
    """The bytes of each layer above the base: of all since the first that speaks of coralline."""
    history = _output(
        "docker", "history", "--human=false", "--no-trunc", "--format={{json .}}", reference
    )
    entries: list[dict[str, Any]] = [json.loads(line) for line in reversed(history.splitlines())]
    ours = next(at for at, entry in enumerate(entries) if "coralline" in entry["CreatedBy"])
    return [int(entry["Size"]) for entry in entries[ours:]]


def _packages(reference: str) -> list[tuple[str, int]]:
    """What lies in Python's folder of packages, with its bytes, the largest first."""
    command = f"du --bytes --summarize {_SITE_PACKAGES}/*"
    run = ["docker", "run", "--rm", "--network=none", reference, "sh", "-c", command]
    lines = (line.split("\t") for line in _output(*run).splitlines())
    packages = [(path.rpartition("/")[2], int(size)) for size, path in lines]
    return sorted(packages, key=lambda package: -package[1])


def _write(images: dict[str, str]) -> None:
    new = BUILT.with_suffix(".new")
    new.write_text(json.dumps(images, indent=2) + "\n")
    new.replace(BUILT)


def _output(*command: str) -> str:
    # What a command has to say about a failure it says itself, on stderr.
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
