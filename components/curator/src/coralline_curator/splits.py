"""Splits that stay: a group is dealt out once, and where it went is written down for ever."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_curator.settings import Split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coralline_core.store import Store
    from numpy.typing import NDArray

    from coralline_curator.settings import SplitShares

_FOLDER = "splits/"
_ATTEMPTS = 20

# Codes are places in this. Of a group that has come to link two splits the first here counts. What
# a model is measured on must not be learnt from; that an older model has learnt from what is now in
# test cannot be undone.
SPLITS: tuple[Split, ...] = ("test", "validation", "train")
UNKNOWN = len(SPLITS)

_NEED = (2, 1, 2)  # how much a label needs to have something there
_ORDER = (2, 1, 0)  # which is tried first: of equally good ones, train


class Groups(NamedTuple):
    """Images that stay together, `n` groups over `m` labels."""

    counts: NDArray[np.int64]
    """(n, m): the images of each label that the group has in the dataset."""
    keys: NDArray[np.uint64]
    """(k,): what outlives recrawls and mergers: hashes of the images' sha256, and of what sources
    call the group."""
    owners: NDArray[np.int64]
    """(k,): the group that each key is of."""


class SplitRecord(Report):
    """An object under `splits/`: the keys that one curation dealt or moved. The last prevails."""

    schema_version: Literal[2] = 2
    keys: dict[Split, list[str]]
    """Hexadecimal, 16 digits: see `catalogue.key_of`."""


class Deal(NamedTuple):
    """Where the groups are."""

    splits: NDArray[np.int8]
    """(n,): places in SPLITS."""
    moved: int
    """How many keys left their split, because their group grew together with another."""


class SplitLog:
    """All records under `splits/`, in columns.

    Args:
        keys: Ascending.
        splits: Where each key is: places in SPLITS.
        read: How many records these are from.
    """

    def __init__(
        self,
        keys: NDArray[np.uint64] | None = None,
        splits: NDArray[np.int8] | None = None,
        read: int = 0,
    ) -> None:
        self.keys = np.empty(0, np.uint64) if keys is None else keys
        self.splits = np.empty(0, np.int8) if splits is None else splits
        self.read = read

    def refresh(self, store: Store) -> bool:
        """Read the records that have come meanwhile.

        Returns:
            Whether there were any.

        Raises:
            CorallineError: One cannot be read, or one that was there is gone.
        """
        names = list(store.list(_FOLDER))
        if len(names) < self.read:
            raise _unreadable(f"{_FOLDER}{self.read - 1:08}.json", "has gone", store)
        before = self.read
        for name in names[self.read :]:
            if PurePosixPath(name).stem != f"{self.read:08}":
                raise _unreadable(f"{_FOLDER}{self.read:08}.json", "is missing", store)
            stored = store.get(name)
            try:
                record = SplitRecord.model_validate_json(stored.data if stored else b"")
                self._learn([_codes(record.keys.get(split, [])) for split in SPLITS])
            except (ValidationError, ValueError) as error:
                what = "is no record of splits that this version reads"
                raise _unreadable(name, what, store) from error
            self.read += 1
        return self.read > before

    def look_up(self, keys: NDArray[np.uint64]) -> NDArray[np.int8]:
        """Where each key is: a place in SPLITS, or UNKNOWN."""
        at = np.searchsorted(self.keys, keys)
        known = at < len(self.keys)
        known[known] = self.keys[at[known]] == keys[known]
        found = np.full(len(keys), UNKNOWN, np.int8)
        found[known] = self.splits[at[known]]
        return found

    def _learn(self, by_split: Sequence[NDArray[np.uint64]]) -> None:
        new = np.concatenate(by_split)
        codes = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [len(keys) for keys in by_split])
        keys = np.concatenate([new, self.keys])
        self.keys, first = np.unique(keys, return_index=True)  # the first is the newest
        self.splits = np.concatenate([codes, self.splits])[first]


def deal(
    store: Store,
    log: SplitLog,
    groups: Groups,
    shares: SplitShares,
    labels: Sequence[str],
    settled: NDArray[np.int64] | None = None,
) -> Deal:
    """Give every group its split: the one that it has, or else the one that needs it most.

    What is new is in the store before this returns, so that a group keeps its split through every
    recrawl, and whatever the shares become. A group that has come to link two splits is in test if
    any of it was, or else in validation.

    Args:
        store: Where the records are.
        log: As far as they have been read; up to date afterwards.
        groups: What is dealt; in the order of their names.
        shares: How new groups are spread.
        labels: Their names.
        settled: (3, m): images of each label that other groups have in each of SPLITS.

    Raises:
        CorallineError: A label would have nothing to learn from or to be measured on, or other
            curations keep coming first. Nothing is recorded then.
    """
    if settled is None:
        settled = np.zeros((len(SPLITS), len(labels)), np.int64)
    for _ in range(_ATTEMPTS):
        log.refresh(store)
        known = log.look_up(groups.keys)
        held = np.full(len(groups.counts), UNKNOWN, np.int8)
        np.minimum.at(held, groups.owners, known)
        splits = choose(groups.counts, held, shares, settled)
        _check(groups.counts, splits, settled, labels)
        dealt = splits[groups.owners]
        changed = known != dealt
        moved = int((changed & (known != UNKNOWN)).sum())
        name = f"{_FOLDER}{log.read:08}.json"
        # Where the record is there already, another curation came first, and what it dealt counts.
        if not changed.any() or store.put_if(
            name, _record(groups.keys[changed], dealt[changed]), None
        ):
            log.refresh(store)
            return Deal(splits, moved)
    raise CorallineError(
        f"the splits could not be recorded: {name} was there before, {_ATTEMPTS} times in a row",
        where=store.uri,
        fix="Run again once no other run deals into this store; if there is none, see that "
        "splits/ can be listed and written.",
    )


def choose(
    counts: NDArray[np.int64],
    held: NDArray[np.int8],
    shares: SplitShares,
    settled: NDArray[np.int64],
) -> NDArray[np.int8]:
    """The groups' splits, where those that are not UNKNOWN in `held` keep theirs.

    New groups are dealt largest first, each to where the labels' shares come closest to the wanted
    ones (least squares). Before that, a label that is running out of groups gets one for train,
    one for test and then one for validation, whatever its shares.
    """
    splits = held.copy()
    new = np.flatnonzero(held == UNKNOWN)
    new = new[np.argsort(-counts[new].sum(axis=1), kind="stable")]
    tally = _Tally(counts, held, shares, settled)
    for group in new.tolist():
        of_label = {at: count for at, count in enumerate(counts[group].tolist()) if count}
        split = min(_ORDER, key=lambda split: tally.cost(of_label, split))
        tally.add(of_label, split)
        splits[group] = split
    return splits


class _Tally:
    """What each label has in each split, and what is still to be dealt."""

    def __init__(
        self,
        counts: NDArray[np.int64],
        held: NDArray[np.int8],
        shares: SplitShares,
        settled: NDArray[np.int64],
    ) -> None:
        wanted = shares.model_dump()
        self._shares = [wanted[split] for split in SPLITS]
        self._total = (counts.sum(axis=0) + settled.sum(axis=0)).tolist()
        self._waiting = (counts[held == UNKNOWN] > 0).sum(axis=0).tolist()
        self._dealt = [
            (settled[split] + counts[held == split].sum(axis=0)).tolist()
            for split in range(len(SPLITS))
        ]

    def add(self, group: dict[int, int], split: int) -> None:
        for label, count in group.items():
            self._dealt[split][label] += count
            self._waiting[label] -= 1

    def cost(self, group: dict[int, int], split: int) -> tuple[int, float]:
        """What it costs to deal the group there: needs left unmet, growth of squared errors."""
        unmet, growth = 0, 0.0
        for label, count in group.items():
            empty = [s for s in _ORDER if s != split and not self._dealt[s][label]]
            short = max(0, len(empty) - (self._waiting[label] - 1))
            unmet += sum(sorted(_NEED[s] for s in empty)[:short])
            share = count / self._total[label]
            error = self._dealt[split][label] / self._total[label] - self._shares[split]
            growth += share * (2 * error + share)  # (error + share)^2 - error^2
        return unmet, growth


def _check(
    counts: NDArray[np.int64],
    splits: NDArray[np.int8],
    settled: NDArray[np.int64],
    labels: Sequence[str],
) -> None:
    """Raise CorallineError where a label has nothing in train or in test."""
    test, _, train = (
        settled[split] + counts[splits == split].sum(axis=0) for split in range(len(SPLITS))
    )
    for label, name in sorted(enumerate(labels), key=lambda item: item[1]):
        lacking = [s for s, had in (("train", train), ("test", test)) if not had[label]]
        n = int(counts[:, label].sum())
        if not lacking or not n:
            continue
        if (counts[:, label] > 0).sum() == 1 and not settled[:, label].any():
            what = f"{name} has one image" if n == 1 else f"all {n} images of {name} are one group"
            raise _too_few(f"{what}, which cannot be split without a leak")
        raise _too_few(f"{name} has nothing in {lacking[0]}: its groups are too few")


def _too_few(what: str) -> CorallineError:
    return CorallineError(
        what,
        where="curate",
        fix="Crawl more of it with other queries; photos of one page, and near duplicates, are one "
        "group.",
    )


def _unreadable(name: str, what: str, store: Store) -> CorallineError:
    return CorallineError(
        f"{name} {what}",
        where=store.uri,
        fix="Restore it or update coralline: without it, test images could be learnt.",
    )


def _codes(keys: Sequence[str]) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex("".join(keys)), ">u8").astype(np.uint64)


def _record(keys: NDArray[np.uint64], splits: NDArray[np.int8]) -> bytes:
    by_split = {
        split: [f"{key:016x}" for key in np.unique(keys[splits == code]).tolist()]
        for code, split in enumerate(SPLITS)
    }
    return SplitRecord(keys=by_split).model_dump_json().encode()
