"""Splits that stay: a group is dealt out once, and where it went is written down for ever."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from coralline_core.errors import CorallineError
from coralline_core.reports import Report
from pydantic import ValidationError

from coralline_curator.settings import Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coralline_core.store import Store

    from coralline_curator.settings import SplitShares

_FOLDER = "splits/"
_ATTEMPTS = 20

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

# Of a group that has come to link two splits. What a model is measured on must not be learnt from;
# that an older model has learnt from what is now in test cannot be undone.
_PRECEDENCE: tuple[Split, ...] = ("test", "validation", "train")

# How much a label needs to have something there.
_NEED: dict[Split, int] = {"train": 2, "validation": 1, "test": 2}


class Group(NamedTuple):
    """Images that stay together."""

    id: str
    keys: frozenset[str]
    """What outlives recrawls and mergers: the images' hashes, and what sources call the group."""
    counts: Mapping[str, int]
    """Its images in the dataset, by label."""


class SplitRecord(Report):
    """An object under `splits/`: the keys that one curation dealt or moved. The last prevails."""

    schema_version: Literal[1] = 1
    keys: dict[Split, list[str]]


class Deal(NamedTuple):
    """Where the groups are."""

    splits: dict[str, Split]
    """By the groups' ids."""
    moved: int
    """How many keys left their split, because their group grew together with another."""


def deal(store: Store, groups: Sequence[Group], shares: SplitShares) -> Deal:
    """Give every group its split: the one that it has, or else the one that needs it most.

    What is new is in the store before this returns, so that a group keeps its split through every
    recrawl, and whatever the shares become. A group that has come to link two splits is in test if
    any of it was, or else in validation.

    Raises:
        CorallineError: A label would have nothing to learn from or to be measured on, or other
            curations keep coming first. Nothing is recorded then.
    """
    for _ in range(_ATTEMPTS):
        known, name = _read(store)
        splits = choose(groups, known, shares)
        _check(groups, splits)
        dealt = {key: splits[group.id] for group in groups for key in group.keys}
        changed = {key: split for key, split in dealt.items() if known.get(key) != split}
        # Where the record is there already, another curation came first, and what it dealt counts.
        if not changed or store.put_if(name, _record(changed), None):
            return Deal(splits, sum(key in known for key in changed))
    raise CorallineError(
        f"the splits could not be recorded: {name} was there before, {_ATTEMPTS} times in a row",
        where=store.uri,
        fix="Run again once no other run deals into this store; if there is none, see that "
        "splits/ can be listed and written.",
    )


def choose(
    groups: Sequence[Group], known: Mapping[str, Split], shares: SplitShares
) -> dict[str, Split]:
    """The groups' splits, by id, where `known` are those of the keys that were dealt before.

    New groups are dealt largest first, each to where the labels' shares come closest to the wanted
    ones (least squares). Before that, a label that is running out of groups gets one for train,
    one for test and then one for validation, whatever its shares.
    """
    splits: dict[str, Split] = {}
    for group in groups:
        held = {known[key] for key in group.keys & known.keys()}
        if held:
            splits[group.id] = next(split for split in _PRECEDENCE if split in held)
    new = [group for group in groups if group.id not in splits]
    new.sort(key=lambda group: (-sum(group.counts.values()), group.id))
    tally = _Tally(groups, splits, shares)
    for group in new:
        splits[group.id] = min(SPLITS, key=lambda split: tally.cost(group, split))
        tally.add(group, splits[group.id])
    return splits


class _Tally:
    """What each label has in each split, and what is still to be dealt."""

    def __init__(
        self, groups: Sequence[Group], splits: Mapping[str, Split], shares: SplitShares
    ) -> None:
        self._shares = shares.model_dump()
        self._total: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._dealt: dict[Split, Counter[str]] = {split: Counter() for split in SPLITS}
        for group in groups:
            self._total.update(group.counts)
            self._waiting.update(group.counts.keys())
        for group in groups:
            if group.id in splits:
                self.add(group, splits[group.id])

    def add(self, group: Group, split: Split) -> None:
        self._dealt[split].update(group.counts)
        self._waiting.subtract(group.counts.keys())

    def cost(self, group: Group, split: Split) -> tuple[int, float]:
        """What it costs to deal the group there: needs left unmet, growth of squared errors."""
        unmet, growth = 0, 0.0
        for label, count in group.counts.items():
            empty = [s for s in SPLITS if s != split and not self._dealt[s][label]]
            short = max(0, len(empty) - (self._waiting[label] - 1))
            unmet += sum(sorted(_NEED[s] for s in empty)[:short])
            share = count / self._total[label]
            error = self._dealt[split][label] / self._total[label] - self._shares[split]
            growth += share * (2 * error + share)  # (error + share)^2 - error^2
        return unmet, growth


def _check(groups: Sequence[Group], splits: Mapping[str, Split]) -> None:
    """Raise CorallineError where a label has nothing in train or in test."""
    for label in sorted({label for group in groups for label in group.counts}):
        having = [group for group in groups if label in group.counts]
        n = sum(group.counts[label] for group in having)
        if len(having) == 1:
            what = (
                f"{label} has one image" if n == 1 else f"all {n} images of {label} are one group"
            )
            raise _too_few(f"{what}, which cannot be split without a leak")
        for split in ("train", "test"):
            if not any(splits[group.id] == split for group in having):
                raise _too_few(
                    f"{label} has nothing in {split}: its {len(having)} groups are too few"
                )


def _too_few(what: str) -> CorallineError:
    return CorallineError(
        what,
        where="curate",
        fix="Crawl more of it with other queries; photos of one page, and near duplicates, are one "
        "group.",
    )


def _read(store: Store) -> tuple[dict[str, Split], str]:
    """Where every key is, and the name of the next record."""
    known: dict[str, Split] = {}
    sequence = 0
    for name in store.list(_FOLDER):
        with store.open(name) as file:
            try:
                record = SplitRecord.model_validate_json(file.read())
            except ValidationError as error:
                raise CorallineError(
                    f"{name} is no record of splits that this version reads",
                    where=store.uri,
                    fix="Restore it or update coralline: without it, test images could be learnt.",
                ) from error
        known.update((key, split) for split, keys in record.keys.items() for key in keys)
        sequence = int(PurePosixPath(name).stem) + 1
    return known, f"{_FOLDER}{sequence:08}.json"


def _record(changed: Mapping[str, Split]) -> bytes:
    keys = {split: sorted(k for k, s in changed.items() if s == split) for split in SPLITS}
    return SplitRecord(keys=keys).model_dump_json().encode()
