"""Splits that no group straddles, and that stay through every recrawl."""

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_curator.catalogue import key_of
from coralline_curator.curate import curate
from coralline_curator.report import CurateReport
from coralline_curator.settings import CurateSettings, SplitShares
from coralline_curator.splits import SPLITS, UNKNOWN, Groups, SplitLog, SplitRecord, choose, deal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHARES = SplitShares()
DISTANCE = CurateSettings().near_duplicate_distance


def group(name: str, *keys: str, **counts: int) -> tuple:
    return name, keys or (name,), counts or {"cat": 1}


def columns(groups) -> tuple[Groups, list[str]]:
    """Groups, each with a name, keys and counts by label, as the curator has them."""
    labels = sorted({label for *_, counts in groups for label in counts})
    keys = [(key_of(key), at) for at, (_, keys, _) in enumerate(groups) for key in keys]
    found, owners = zip(*keys, strict=True)
    counts = np.array([[counts.get(label, 0) for label in labels] for *_, counts in groups])
    return Groups(counts, np.array(found, np.uint64), np.array(owners)), labels


def dealt(store, groups, shares=SHARES, log=None) -> tuple[dict[str, str], int]:
    """Where `deal` puts each group, by name, and how many keys it moved."""
    groups = sorted(groups, key=lambda one: one[0])
    put, moved = deal(store, log or SplitLog(), columns(groups)[0], shares, columns(groups)[1])
    return {name: SPLITS[code] for (name, *_), code in zip(groups, put, strict=True)}, moved


def chosen(groups) -> dict[str, str]:
    """Where new groups go."""
    groups = sorted(groups, key=lambda one: one[0])
    (counts, *_), labels = columns(groups)
    held, settled = np.full(len(groups), UNKNOWN, np.int8), np.zeros((3, len(labels)), int)
    put = choose(counts, held, SHARES, settled)
    return {name: SPLITS[code] for (name, *_), code in zip(groups, put, strict=True)}


@st.composite
def findings(draw) -> dict:
    """A row of one of a few photos, saved anew in some ways, on one of a few pages."""
    photo, bits = draw(st.integers(0, 11)), draw(st.integers(0, 2**10 - 1))
    return {
        "sha256": f"{(photo * 7919 + bits * 104729) % 2**32:08x}-{photo}-{bits}",
        "phash": photo * 0x0FED_CBA9_8765_4321 % 2**64 ^ bits,
        "width": 100 + bits,
        "height": 100,
        "label": draw(st.sampled_from(["cat", "cat", "cat", "dog"])),
        "image_url": f"http://host/{photo}/{bits}",
        "page_url": f"http://host/page/{draw(st.integers(0, 9))}",
    }


@pytest.fixture(scope="session")
def curated(crawl, anchors):
    """Curates rows and the anchors: the dataset, and what it says of each photo."""

    def curated(store, found, shards=1) -> tuple[Dataset, dict]:
        images = crawl(store, [*anchors(), *found], shards)
        dataset, _ = curate(CurateSettings(), images, store, Progress.silent())
        rows = dataset.table(store, ["sha256", "phash", "page_url", "group", "split"]).to_pylist()
        return dataset, {row["sha256"]: row for row in rows}

    return curated


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(findings(), max_size=25), st.data())
def test_splits_share_no_group_and_the_order_of_crawls_does_not_count(curated, found, data):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first, kept = curated(FileStore(Path(one)), found)
        shuffled = data.draw(st.permutations([*found, *found]))
        second, again = curated(FileStore(Path(other)), shuffled, shards=2)
    decided = [
        {sha256: (row["group"], row["split"]) for sha256, row in rows.items()}
        for rows in (kept, again)
    ]
    assert decided[0] == decided[1]
    assert first.counts == second.counts
    splits = defaultdict(set)
    for row in kept.values():
        splits["group", row["group"]].add(row["split"])
    for row in found:
        if row["sha256"] in kept:
            splits["page", row["page_url"]].add(kept[row["sha256"]]["split"])
    assert all(len(these) == 1 for these in splits.values())
    hashes = [row["phash"] for row in kept.values()]
    distances = [(a ^ b).bit_count() for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > DISTANCE


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(findings(), max_size=10), min_size=2, max_size=4))
def test_what_was_in_test_stays_there_through_every_recrawl(curated, crawls):
    held: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder))
        for n in range(1, len(crawls) + 1):
            _, kept = curated(store, [row for found in crawls[:n] for row in found])
            for sha256, row in kept.items():
                before = held.get(sha256, row["split"])
                if before == "test":
                    assert row["split"] == "test"
                if before == "validation":
                    assert row["split"] != "train"
            held.update({sha256: row["split"] for sha256, row in kept.items()})
            _, again = curated(store, [row for found in crawls[:n] for row in found])
            assert again == kept


def test_labels_are_spread_over_the_splits_together():
    # Forty people with ten photos each; some wear glasses always, some now and then.
    wearing = [10] * 8 + [8, 8, 8, 5, 5, 3, 2] + [0] * 25
    people = [
        group(
            f"{n * 37 % 40:02}",
            **{k: v for k, v in (("yes", n_), ("no", 10 - n_)) if v},
        )
        for n, n_ in enumerate(wearing)
    ]
    splits = chosen(people)
    for label in ("yes", "no"):
        total = sum(counts.get(label, 0) for *_, counts in people)
        for split, share in SHARES.model_dump().items():
            count = sum(n.get(label, 0) for name, _, n in people if splits[name] == split)
            assert count / total == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("sizes", [(50, 30, 20), (5, 5, 5), (1000, 1, 1)])
def test_three_groups_are_enough_for_every_split(sizes):
    groups = [group(f"g{n}", cat=size) for n, size in enumerate(sizes)]
    assert set(chosen(groups).values()) == {"train", "validation", "test"}


def test_two_groups_are_for_train_and_test_with_a_warning(
    store, progress, said, crawl, anchors, row
):
    images = crawl(store, [row("a", 0), row("b", 2**64 - 1), *anchors()[3:]])
    dataset, _ = curate(CurateSettings(), images, store, progress)
    assert dataset.counts["cat"] == {"train": 1, "test": 1}
    warnings = [event.message for event in said if event.event == "warning"]
    assert warnings == ["cat has too few groups of images for validation to have any"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0, None)], "cat has one image, which cannot be split without a leak"),
        ([("a", 0, "p"), ("b", 2**64 - 1, "p")], "all 2 images of cat are one group"),
    ],
)
def test_one_group_cannot_be_split(store, progress, crawl, anchors, row, rows, message):
    found = [row(name, phash, group=page) for name, phash, page in rows]
    with pytest.raises(CorallineError, match=message) as caught:
        curate(CurateSettings(), crawl(store, [*found, *anchors()[3:]]), store, progress)
    assert "Crawl more" in caught.value.fix
    assert not list(store.list("splits/"))


def test_a_group_that_links_two_splits_goes_to_test(store):
    groups = [group(name) for name in "abcdefgh"]
    splits, _ = dealt(store, groups)
    by_split = defaultdict(list)
    for name, split in splits.items():
        by_split[split].append(name)
    train, validation, test = (by_split[s][0] for s in ("train", "validation", "test"))
    merged = group("m", train, validation, test, cat=3)
    rest = [one for one in groups if one[0] not in (train, validation, test)]
    splits, moved = dealt(store, [merged, *rest])
    assert (splits["m"], moved) == ("test", 2)
    # Apart again, say by another distance, each of them stays where it has been put.
    splits, moved = dealt(store, groups)
    assert splits[train] == splits[validation] == "test"
    assert moved == 0


def test_only_what_is_new_is_recorded(store):
    groups = [group(name) for name in "abcdef"]
    dealt(store, groups)
    dealt(store, groups)
    assert len(list(store.list("splits/"))) == 1
    dealt(store, [*groups, group("g")], SplitShares(train=0.1, validation=0.1, test=0.8))
    first, second = (json.loads(store.get(key).data) for key in store.list("splits/"))
    assert Counter(key for keys in first["keys"].values() for key in keys).total() == 6
    assert second["keys"] == {"train": [], "validation": [], "test": [f"{key_of('g'):016x}"]}


def test_a_log_that_was_read_before_is_as_good_as_one_read_anew(store):
    groups = [group(name) for name in "abcdef"]
    log = SplitLog()
    before, _ = dealt(store, groups, log=log)
    again = SplitLog(log.keys, log.splits, log.read)
    assert dealt(store, [*groups, group("g")], log=again)[0].items() >= before.items()
    assert dealt(store, [*groups, group("g")], log=log) == dealt(store, [*groups, group("g")])


def test_of_two_curations_at_once_the_first_record_counts(store):
    keys = [f"{key_of(name):016x}" for name in "az"]
    rival = SplitRecord(keys={"train": [], "validation": [], "test": keys})

    class Raced(FileStore):
        """Another curation writes its record just before this one."""

        def put_if(self, key, data, etag):
            store.put_if("splits/00000000.json", rival.model_dump_json().encode(), None)
            return super().put_if(key, data, etag)

    splits, _ = dealt(Raced(store.root), [group(name) for name in "abcdef"])
    assert splits["a"] == "test"
    assert list(store.list("splits/")) == ["splits/00000000.json", "splits/00000001.json"]
    assert SplitRecord.model_validate_json(store.get("splits/00000000.json").data) == rival


def test_a_store_that_takes_no_record_ends_the_step(store):
    class Stuck(FileStore):
        """Says that each record is there already, and never has one."""

        def put_if(self, key, data, etag):
            return False

    with pytest.raises(CorallineError, match="could not be recorded") as caught:
        dealt(Stuck(store.root), [group(name) for name in "abcdef"])
    assert caught.value.where == store.uri
    assert "Run again" in caught.value.fix


@pytest.mark.parametrize(
    "content", [b'{"schema_version": 1}', b"", b'{"schema_version": 2, "keys": {"test": ["x"]}}']
)
def test_a_record_that_cannot_be_read_ends_the_step(store, content):
    store.put("splits/00000000.json", content)
    with pytest.raises(CorallineError, match="no record of splits that this version reads"):
        dealt(store, [group("a"), group("b")])


def test_a_record_that_is_lost_ends_the_step(store):
    dealt(store, [group(name) for name in "abc"])
    dealt(store, [group(name) for name in "abcd"])
    log = SplitLog()
    log.refresh(store)
    store.delete("splits/00000000.json")
    with pytest.raises(CorallineError, match=r"00000000\.json is missing"):
        dealt(store, [group("a"), group("b")])
    with pytest.raises(CorallineError, match=r"00000001\.json has gone"):
        dealt(store, [group("a"), group("b")], log=log)


def test_the_command_twice_gives_the_same_dataset(store, crawl, anchors, tmp_path):
    crawl(store, anchors()).write(tmp_path / "images.json")
    (tmp_path / "curate.yaml").write_text("near_duplicate_distance: 5\n")
    datasets = []
    for run in ("one", "two"):
        done = command(tmp_path, store, f"{run}/curated.json", f"{run}/report.json")
        assert done.returncode == 0, done.stderr
        datasets.append(Dataset.read(tmp_path / run / "curated.json"))
        assert CurateReport.read(tmp_path / run / "report.json").kept == 6
    assert datasets[0] == datasets[1]
    assert store.get(f"datasets/{datasets[0].id}.json") is not None


def test_wrong_settings_are_one_line_and_exit_code_2(store, crawl, anchors, tmp_path):
    crawl(store, anchors()).write(tmp_path / "images.json")
    (tmp_path / "curate.yaml").write_text("near_duplicate_distance: 70\n")
    done = command(tmp_path, store, "curated.json", "report.json")
    assert done.returncode == 2
    assert "near_duplicate_distance" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "curated.json").exists()


def command(folder: Path, store: FileStore, curated: str, report: str):
    arguments = ["--settings", "curate.yaml", "--store", store.uri, "--images", "images.json"]
    arguments += ["--curated", curated, "--report", report]
    return subprocess.run(
        [sys.executable, "-m", "coralline_curator", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
