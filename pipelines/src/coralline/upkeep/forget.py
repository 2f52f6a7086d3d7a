"""Images that somebody wants gone: found, shown, and never to come back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from coralline_core import journal
from coralline_core.errors import CorallineError
from coralline_core.forgotten import FOLDER, By, Forgotten, Notice
from coralline_core.manifests import newest, newest_first
from coralline_core.reports import Report
from coralline_core.shards import read_table
from coralline_crawler.index import open_history
from coralline_crawler.record import WITH_IMAGE

from coralline.upkeep.damage import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coralline_core.store import Store
    from numpy.typing import NDArray

_DIGITS = re.compile(r"[0-9a-f]{8,64}")
_ADDRESS = re.compile(r"(https?|file)://\S+")
_WHOLE = 64  # digits of a sha256
_SHOWN = 10  # addresses, and digests of which several are meant


class Image(Report):
    """An image, where it was found."""

    sha256: str
    label: str
    url: str
    page_url: str | None


class Meant(Report):
    """What is to be forgotten, as far as the store knows of it."""

    value: str
    """A URL, or the whole of a sha256."""
    by: tuple[By, ...]
    """What it is; a URL that the store does not know may be an image's and a page's."""
    images: tuple[Image, ...]
    """One image may be there several times: under two labels, or at two URLs."""
    near_duplicates: tuple[Image, ...]
    """Others that look the same: resized, or saved anew."""


class ForgetReport(Report):
    """What was found, and what was done."""

    meant: Meant
    near_duplicates: bool
    """Whether these are forgotten, too."""
    notices: tuple[str, ...]
    """The keys of what was written down; none on a dry run, and where all was forgotten before."""
    dry_run: bool

    def __str__(self) -> str:
        images, near = self.meant.images, self.meant.near_duplicates
        lines = [f"{self.meant.value}: {_counted(images)}", *_addresses(images)]
        if near:
            hint = "" if self.near_duplicates else "; to take them along: --near-duplicates"
            lines += [f"looks the same: {_counted(near)}{hint}", *_addresses(near)]
        if self.dry_run:
            lines.append("nothing was changed")
        elif not self.notices:
            lines.append("it was forgotten before")
        elif images:
            lines.append("forgotten: the next run leaves it out, and no run fetches it again")
            lines.append(
                "older datasets hold it: after that run, coralline gc --forgotten --delete"
            )
        else:
            lines.append("forgotten: no run will fetch it")
        return "\n".join(lines)


def notices(store: Store) -> tuple[Notice, ...]:
    """All that is forgotten, oldest first.

    Raises:
        CorallineError: A notice cannot be read.
    """
    return Forgotten.read(store).notices


def listed(some: Iterable[Notice]) -> str:
    """Notices as people read them, a line each."""
    lines = []
    for one in some:
        when, images = f"{one.at:%Y-%m-%d %H:%M}", counted(len(one.images), "image")
        why = ", ".join(filter(None, (one.why, one.who)))
        lines.append(f"{when}  {one.by:<6}  {one.value}  ({images})  {why}")
    return "\n".join(lines) or "nothing is forgotten"


def find(store: Store, what: str, near_duplicate_distance: int) -> Meant:
    """Find the images that are meant.

    Args:
        store: Where.
        what: The URL of an image or of a page, or a sha256: its first 8 hex digits or more.
        near_duplicate_distance: In how many of 64 bits the perceptual hashes of two images may
            differ for them to look the same.

    Raises:
        CorallineError: It is none of these; several images begin with the digits, or none does; or
            the newest dataset cannot be read.
    """
    seen = _seen(store)
    by: tuple[By, ...]
    if _DIGITS.fullmatch(what.lower()):
        value, by = _complete(what.lower(), seen, store), ("sha256",)
        meant = pc.equal(seen["sha256"], pa.scalar(value))
    else:
        value, roles = what, {"url": "url", "page": "page_url"}
        named = {role: pc.equal(seen[column], pa.scalar(value)) for role, column in roles.items()}
        grouped = _grouped(store, value)
        known: list[By] = [role for role in ("url", "page") if pc.any(named[role]).as_py()]
        known += ["page"] if len(grouped) and "page" not in known else []
        if not known and not _ADDRESS.fullmatch(value):
            raise CorallineError(
                "neither a URL nor the beginning of a sha256",
                where=value,
                fix="Give the URL of an image or of its page in full, or 8 hex digits and more.",
            )
        by = tuple(known) or ("url", "page")
        # By way of the URL: an image that was found on a second page is noted there without it.
        urls = seen.filter(pc.or_kleene(named["url"], named["page"]))["url"]
        meant = pc.is_in(seen["url"], value_set=urls.combine_chunks())
        meant = pc.or_kleene(meant, pc.is_in(seen["sha256"], value_set=grouped))
    images = seen.filter(pc.and_kleene(seen["has_image"], meant))
    same = pc.is_in(seen["sha256"], value_set=images["sha256"].combine_chunks())
    images = seen.filter(pc.and_kleene(seen["has_image"], same))
    others = seen.filter(pc.and_kleene(seen["has_image"], pc.invert(same)))
    near = others.filter(pa.array(_near(others, images, near_duplicate_distance)))
    return Meant(value=value, by=by, images=_images(images), near_duplicates=_images(near))


def forget(
    store: Store,
    meant: Meant,
    why: str,
    who: str | None = None,
    *,
    near_duplicates: bool = False,
    dry_run: bool = False,
) -> ForgetReport:
    """Write down that images are to be forgotten.

    Args:
        store: Where.
        meant: What `find` found.
        why: For those who come later.
        who: Who wanted it.
        near_duplicates: Whether those that look the same go, too.
        dry_run: Write nothing.

    Raises:
        CorallineError: The store cannot be read or written.
    """
    taken = (*meant.images, *(meant.near_duplicates if near_duplicates else ()))
    images = sorted({image.sha256 for image in taken})
    before = Forgotten.read(store)
    said = {(notice.by, notice.value) for notice in before.notices}
    again = before.images.issuperset(images) and all((by, meant.value) in said for by in meant.by)
    written = [
        journal.append(
            store,
            FOLDER,
            Notice(
                by=by,
                value=meant.value,
                images=tuple(images),
                why=why,
                who=who,
                at=datetime.now(UTC),
            ),
        )
        for by in meant.by
        if not (again or dry_run)
    ]
    return ForgetReport(
        meant=meant, near_duplicates=near_duplicates, notices=tuple(written), dry_run=dry_run
    )


def _counted(images: Iterable[Image]) -> str:
    """How many images of which labels: `2 images (1 cat, 1 dog)`."""
    by_label: dict[str, set[str]] = {}
    for image in images:
        by_label.setdefault(image.label, set()).add(image.sha256)
    if not by_label:
        return "no image in the store"
    count = len(set().union(*by_label.values()))
    each = ", ".join(f"{len(found)} {label}" for label, found in sorted(by_label.items()))
    return f"{count} {'image' if count == 1 else 'images'} ({each})"


def _seen(store: Store) -> pa.Table:
    """All that crawls came upon: addresses, labels and hashes, and whether there was an image."""
    history = open_history(store).history
    every = np.arange(len(history))
    table = history.visits.strings(every, ["url", "page_url", "sha256", "phash"])
    history.visits.close()
    labels = np.array([*history.names["label"], None], object)[history["label"]]
    has_image = history.among("outcome", WITH_IMAGE, every)
    has_image &= table["sha256"].is_valid().to_numpy()
    table = table.append_column("label", pa.array(labels, pa.string()))
    return table.append_column("has_image", pa.array(has_image))


def _grouped(store: Store, page: str) -> pa.Array[pa.StringScalar]:
    """The sha256 of the images of the newest dataset that lists found on a page."""
    images = newest(store, "images")
    if images is None:
        return pa.array([], pa.string())
    table = images.selected(store, ["sha256", "group"])
    return table.filter(pc.equal(table["group"], pa.scalar(page)))["sha256"].combine_chunks()


def _complete(digits: str, seen: pa.Table, store: Store) -> str:
    begins = pc.starts_with(seen["sha256"], digits)
    found = [str(one) for one in pc.unique(seen.filter(begins)["sha256"]).to_pylist()]
    if len(found) == 1:
        return found[0]
    if not found and (photos := _photos_of_crops(digits, store)):
        found = sorted(photos)
        if len(found) == 1:
            return found[0]
    if len(digits) == _WHOLE:
        return digits
    what = f"the sha256 of {len(found)} images begins so: {', '.join(found[:_SHOWN])}"
    raise CorallineError(
        what if found else "the sha256 of no image begins so",
        where=f"{store.uri}: {digits}",
        fix="Give more of its digits." if found else "Give all 64 digits of one that may come.",
    )


def _photos_of_crops(digits: str, store: Store) -> set[str]:
    """The photos that crops are from whose sha256 begins so: what an export of crops shows."""
    datasets = [manifest.dataset for manifest in newest_first(store)]
    shards = {part.key: part for one in datasets if one.kind == "crops" for part in one.shards}
    there = set(store.list("shards/"))
    photos: set[str] = set()
    for part in (part for key, part in shards.items() if key in there):
        table = read_table(store, part, ["sha256", "source_sha256"])
        begins = pc.starts_with(table["sha256"], digits)
        photos.update(str(one) for one in table.filter(begins)["source_sha256"].to_pylist())
    return photos


def _near(others: pa.Table, images: pa.Table, distance: int) -> NDArray[np.bool_]:
    """By row of `others`, whether it looks like one of `images`."""
    hashed = others["phash"].is_valid().to_numpy()
    hashes = others["phash"].drop_null().to_numpy()
    near = np.zeros(len(hashes), bool)
    for phash in pc.unique(images["phash"].drop_null()).to_numpy():
        near |= np.bitwise_count(hashes ^ phash) <= distance
    found = np.zeros(len(hashed), bool)
    found[hashed] = near
    return found


def _images(table: pa.Table) -> tuple[Image, ...]:
    rows = table.select(["sha256", "label", "url", "page_url"]).to_pylist()
    found = {(row["sha256"], row["label"], row["url"]): Image(**row) for row in rows}
    return tuple(found.values())


def _addresses(images: tuple[Image, ...]) -> list[str]:
    lines = [f"  {image.sha256[:12]}  {image.label}  {image.url}" for image in images[:_SHOWN]]
    more = len(images) - _SHOWN
    return [*lines, f"  and {more} more"] if more > 0 else lines
