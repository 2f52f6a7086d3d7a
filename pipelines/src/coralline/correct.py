"""What a person says that images show, written down for the next run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from coralline_core import rows
from coralline_core.corrections import Correction, CropOf, corrected_crops, meant, record
from coralline_core.errors import CorallineError
from coralline_core.manifests import newest
from coralline_core.reports import Report

from coralline.statements import SHOWN, things_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.corrections import Box
    from coralline_core.store import Store

    from coralline.project import Project

_DIGITS = re.compile(r"[0-9a-f]{8,64}")
_NAMED = 5  # images of which several are meant


class CorrectReport(Report):
    """What was written down."""

    key: str
    """Of the object in the store."""
    correction: Correction
    stay: dict[str, int]
    """By photo, how many of its crops have what was said of each by itself."""

    def __str__(self) -> str:
        label = self.correction.label or "none of the labels"
        lines = [f"{thing}  {label}" for thing in things_of(self.correction)]
        lines += [
            f"{n} crops of {photo[:SHOWN]} were labelled by themselves and stay as they are: "
            "--list, --take-back"
            for photo, n in self.stay.items()
        ]
        return "\n".join([*lines, "kept: the next run's dataset has it so"])


def correct(
    project: Project,
    images: Sequence[str],
    label: str | None,
    why: str | None = None,
    who: str | None = None,
) -> CorrectReport:
    """Say what images or crops show; what was said of them before counts no more.

    Args:
        project: Whose store it is.
        images: The sha256 of each image or crop, or how it begins: 8 hex digits and more, as long
            as one of the newest datasets begins so. A crop's photo and the other crops of it stay
            as they are.
        label: One of the project's; None: none of them, so that the images are left out.
        why: For those who come later.
        who: Who says so.

    Raises:
        CorallineError: The project has no such label, an image is not known, several are meant, or
            the newest dataset cannot be read.
    """
    if label is not None and label not in project.labels:
        raise CorallineError(
            f"the project has no label {label!r}",
            where="--label",
            fix=f"Its labels are {', '.join(project.labels)}; for none of them: --none.",
        )
    store = project.open_store()
    known = _known(store)
    crops = _crops(store)
    everything = pa.chunked_array([*known.chunks, *crops["sha256"].chunks], pa.string())
    named = dict.fromkeys(_complete(image.lower(), everything, store) for image in images)
    chosen = crops.filter(pc.is_in(crops["sha256"], value_set=pa.array(named, pa.string())))
    of_crops = set(chosen["sha256"].to_pylist())
    correction = Correction(
        images=tuple(sha256 for sha256 in named if sha256 not in of_crops),
        crops=tuple(
            CropOf(photo=row["source_sha256"], box=tuple(row["box"])) for row in chosen.to_pylist()
        ),
        label=label,
        why=why,
        who=who,
        at=datetime.now(UTC),
    )
    stay = {} if label is None else _labelled_by_themselves(store, correction.images)
    return CorrectReport(key=record(store, correction), correction=correction, stay=stay)


def _labelled_by_themselves(store: Store, photos: Sequence[str]) -> dict[str, int]:
    """How many crops of each photo somebody has spoken of; none where nobody has."""
    said = corrected_crops(store) if photos else {}
    found = {}
    for photo in said.keys() & {*photos}:
        crops: list[Box] = []
        for box in said[photo]:
            if meant(box, crops) is None:  # else it is one that was cut with another margin
                crops.append(box)
        found[photo] = len(crops)
    return found


def _known(store: Store) -> pa.ChunkedArray[Any]:
    """The sha256 of every image of the newest crawl: also of those that curation left out."""
    images = newest(store, "images")
    if images is None:
        raise CorallineError(
            "there are no images yet", where=store.uri, fix="Run the project first: coralline run."
        )
    return images.selected(store, ["sha256"])["sha256"]


def _crops(store: Store) -> pa.Table:
    """Every crop of the newest dataset of them, and what it is of."""
    columns = ["sha256", "source_sha256", "box"]
    crops = newest(store, "crops")
    return (
        rows.CROPS.empty_table().select(columns) if crops is None else crops.table(store, columns)
    )


def _complete(digits: str, known: pa.ChunkedArray[Any], store: Store) -> str:
    if not _DIGITS.fullmatch(digits):
        raise CorallineError(
            "not a sha256", where=digits, fix="Give 64 hex digits, or the first 8 and more of them."
        )
    found = known.filter(pc.starts_with(known, digits))  # several times, if in several groups
    meant = sorted({str(sha256) for sha256 in found.to_pylist()})
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise CorallineError(
            f"no image or crop of the newest datasets begins with {digits}",
            where=store.uri,
            fix="See which there are: coralline export, with --to csv.",
        )
    named = ", ".join(meant[:_NAMED]) + (", …" if len(meant) > _NAMED else "")
    raise CorallineError(
        f"{len(meant)} images or crops begin with {digits}: {named}",
        where=store.uri,
        fix="Give more digits.",
    )
