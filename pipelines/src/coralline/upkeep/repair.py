"""A damaged store mended, as far as it can be; what is damaged is kept in quarantine."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from coralline_core import forgotten
from coralline_core.errors import CorallineError
from coralline_crawler import record

from coralline.upkeep.damage import Damage, VerifyReport, counted, each_label
from coralline.upkeep.inventory import (
    CROPS,
    DATASETS,
    INDEX,
    QUARANTINE,
    objects,
    put_aside,
    quarantined,
)
from coralline.upkeep.rescue import Rescued, rescue
from coralline.upkeep.verify import Checked, is_well

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coralline_core.progress import Progress
    from coralline_core.store import Store


_DIGITS = 16  # of the sha256 of a damaged object, at the end of its name in quarantine
_BLOCK = 1 << 20


def repair(store: Store, checked: Checked, progress: Progress) -> VerifyReport:
    """Put right what can be put right; no object is deleted of which there is no copy.

    A damaged shard goes to quarantine. It comes back where a copy there, or the images that can
    still be had, make it what it was, bit for bit. Otherwise its images go into a new shard, as
    far as they can be had, and the next crawl fetches the others again. Manifests that name what
    is lost, or that cannot be read, go to quarantine, too, and come back once all that they name
    is there again. Where the process dies meanwhile, the next time goes on.

    Args:
        store: Which.
        checked: What is wrong with it.
        progress: Hears how many records of what was lost have been seen to.

    Returns:
        The report again, with what was done about each damage.

    Raises:
        CorallineError: A crawl's record or a notice of what is forgotten cannot be read, or the
            store cannot be written.
    """
    if checked.lost:
        _require_what_shards_hold(checked)
        for key in list(store.list(INDEX)):  # made anew, while an old one may name what is lost
            store.delete(key)
    kept = {key: _move_to_quarantine(store, key) for key in sorted(checked.lost)}
    copies = {key: _restore(store, key) for key in kept}
    lost = {key for key, copy in copies.items() if copy is None}
    rescued = rescue(store, lost, progress) if lost else Rescued()
    done = {
        key: _what_was_done(damage, copies[key], kept[key], rescued)
        for damage in checked.report.damages
        if (key := damage.key) in kept
    }
    for key in _broken(checked, lost - rescued.restored):
        _date(store, key, checked)
        copy = _move_to_quarantine(store, key)
        done[key] = f"kept as {copy}; the next run makes it again"
    _bring_back_manifests(store, checked)
    damages = (
        damage.model_copy(update={"mended": True, "then": done[damage.key]})
        if damage.key in done
        else damage
        for damage in checked.report.damages
    )
    changes = {"damages": tuple(damages), "quarantine": quarantined(store)}
    return checked.report.model_copy(update=changes)


def _require_what_shards_hold(checked: Checked) -> None:
    """Records say what shards held, and notices what of it must not come back."""
    for damage in checked.report.damages:
        if damage.key.startswith((record.FOLDER, forgotten.FOLDER)):
            raise CorallineError(
                f"{damage.what}; no shard is mended without it",
                where=damage.key,
                fix="Restore it. Where nobody has it any more, move it away by hand: then what it "
                "tells of is fetched again.",
            )


def _what_was_done(damage: Damage, copy: str | None, kept: str | None, rescued: Rescued) -> str:
    if copy is not None:
        return f"restored from {copy}"
    if damage.key in rescued.restored:
        return "made again, byte for byte, of the images that could still be had"
    there = [f"kept as {kept}"] if kept else []
    if not damage.images:
        return "; ".join([*there, "the next run makes it again, where it is still needed"])
    saved = rescued.saved[damage.key]
    said = [f"{saved.total():,} of its images are in another shard now"] if saved else []
    missing = {label: count - saved[label] for label, count in damage.images.items()}
    if again := sum(missing.values()):
        said.append(
            f"the next crawl fetches {counted(again, 'image')} again: {each_label(missing)}"
        )
    return "; ".join([*there, *said])


def _move_to_quarantine(store: Store, key: str) -> str | None:
    """Move an object to quarantine, under a name with its content's hash.

    Returns:
        The copy's key; None where there is no object.
    """
    if store.stat(key) is None:
        return None
    with _local(store, key) as (path, digest):
        copy = f"{QUARANTINE}{key}.{digest[:_DIGITS]}"
        if store.stat(copy) is None:
            store.put(copy, path)
    store.delete(key)
    return copy


def _restore(store: Store, key: str) -> str | None:
    """Put a shard back of which quarantine has a copy that is well.

    Returns:
        The copy's key; None where there is none.
    """
    for copy in store.list(f"{QUARANTINE}{key}"):
        with _local(store, copy) as (path, digest):
            if digest == PurePosixPath(key).stem:
                store.put(key, path)
                return copy
    return None


@contextmanager
def _local(store: Store, key: str) -> Iterator[tuple[Path, str]]:
    """An object as a file on this machine, and its sha256."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "object")
        try:
            with store.open(key) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file, _BLOCK)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CorallineError(
                f"cannot be copied: {error.strerror or error}",
                where=f"{store.uri}/{key}",
                fix="Free some space in this machine's temporary folder; where it is the object "
                "that cannot be read, move it away.",
            ) from error
        yield path, digest


def _broken(checked: Checked, lost: set[str]) -> list[str]:
    """Manifests and croppers' records that cannot be read, or that name what is lost."""
    inventory = checked.inventory
    named = {key: one.objects for key, one in inventory.datasets.items()}
    named |= inventory.crops
    return [
        *(key for key in inventory.unreadable if key.startswith((DATASETS, CROPS))),
        *(key for key, shards in named.items() if any(shard.key in lost for shard in shards)),
    ]


def _date(store: Store, key: str, checked: Checked) -> None:
    """Write into a manifest when a run came to it: its object's time is lost when it is moved."""
    dataset, stat = checked.inventory.datasets.get(key), store.stat(key)
    if dataset is not None and dataset.saved_at is None and stat is not None:
        dataset.save(store, at=stat.modified)


def _bring_back_manifests(store: Store, checked: Checked) -> None:
    """Take manifests out of quarantine of which all that they name is there, or is well there."""
    seen = checked.inventory.named().keys() - checked.lost
    well = frozenset[str]() if checked.report.quick else seen
    aside = put_aside(store)
    named = {part.key: part for one in aside.values() for part in one.objects}
    there = {
        key
        for key, part in named.items()
        if key in well or is_well(store, key, part.sha256) or _restore(store, key) is not None
    }
    back = [copy for copy, one in aside.items() if all(part.key in there for part in one.objects)]
    for copy, data in objects(store, back):
        if data is not None:
            # Where a run has come to it again, that one is newer.
            store.put_if(f"{DATASETS}{aside[copy].id}.json", data, None)
            store.delete(copy)
