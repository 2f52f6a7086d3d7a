"""Splits that no group straddles, and that stay through every recrawl."""

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_curator.curate import curate
from coralline_curator.report import CurateReport
from coralline_curator.settings import CurateSettings, SplitShares
from coralline_curator.splits import Group, SplitRecord, choose, deal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SHARES = SplitShares()
DISTANCE = CurateSettings().near_duplicate_distance


def group(name: str, *keys: str, **counts: int) -> Group:
    return Group(name, frozenset(keys or [f"image:{name}"]), counts or {"cat": 1})


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


def anchors() -> list[dict]:
    """Three groups of each label, apart from all others, so that a label can be split at all."""
    return [
        {
            "sha256": f"anchor-{label}-{n}",
            "phash": (0x9E37_79B9_7F4A_7C15 * (n * 2 + (label == "cat") + 100)) % 2**64,
            "width": 9,
            "height": 9,
            "label": label,
            "image_url": f"http://host/{label}/{n}",
            "group": f"anchor-{label}-{n}",
        }
        for label in ("cat", "dog")
        for n in range(3)
    ]


def curated(store, crawl, found, shards=1) -> tuple[Dataset, dict]:
    images = crawl(store, [*anchors(), *found], shards)
    dataset, _ = curate(CurateSettings(), images, store, Progress.silent())
    rows = dataset.table(store, ["sha256", "phash", "page_url", "group", "split"]).to_pylist()
    return dataset, {row["sha256"]: row for row in rows}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(findings(), max_size=25), st.data())
def test_splits_share_no_group_and_the_order_of_crawls_does_not_count(crawl, found, data):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        first, kept = curated(FileStore(Path(one)), crawl, found)
        shuffled = data.draw(st.permutations([*found, *found]))
        second, _ = curated(FileStore(Path(other)), crawl, shuffled, shards=2)
    assert first.selection == second.selection
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
def test_what_was_in_test_stays_there_through_every_recrawl(crawl, crawls):
    held: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder))
        for n in range(1, len(crawls) + 1):
            _, kept = curated(store, crawl, [row for found in crawls[:n] for row in found])
            for sha256, row in kept.items():
                before = held.get(sha256, row["split"])
                if before == "test":
                    assert row["split"] == "test"
                if before == "validation":
                    assert row["split"] != "train"
            held.update({sha256: row["split"] for sha256, row in kept.items()})
            _, again = curated(store, crawl, [row for found in crawls[:n] for row in found])
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
    splits = choose(people, {}, SHARES)
    for label in ("yes", "no"):
        total = sum(person.counts.get(label, 0) for person in people)
        for split, share in SHARES.model_dump().items():
            count = sum(p.counts.get(label, 0) for p in people if splits[p.id] == split)
            assert count / total == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("sizes", [(50, 30, 20), (5, 5, 5), (1000, 1, 1)])
def test_three_groups_are_enough_for_every_split(sizes):
    groups = [group(f"g{n}", cat=size) for n, size in enumerate(sizes)]
    assert set(choose(groups, {}, SHARES).values()) == {"train", "validation", "test"}


def test_two_groups_are_for_train_and_test_with_a_warning(store, progress, said, crawl, row):
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
def test_one_group_cannot_be_split(store, progress, crawl, row, rows, message):
    found = [row(name, phash, group=page) for name, phash, page in rows]
    with pytest.raises(CorallineError, match=message) as caught:
        curate(CurateSettings(), crawl(store, [*found, *anchors()[3:]]), store, progress)
    assert "Crawl more" in caught.value.fix
    assert not list(store.list("splits/"))


def test_a_group_that_links_two_splits_goes_to_test(store):
    groups = [group(name) for name in "abcdefgh"]
    splits = deal(store, groups, SHARES).splits
    by_split = defaultdict(list)
    for name, split in splits.items():
        by_split[split].append(name)
    train, validation, test = (by_split[s][0] for s in ("train", "validation", "test"))
    merged = group("m", *(f"image:{name}" for name in (train, validation, test)), cat=3)
    rest = [g for g in groups if g.id not in (train, validation, test)]
    dealt = deal(store, [merged, *rest], SHARES)
    assert (dealt.splits["m"], dealt.moved) == ("test", 2)
    # Apart again, say by another distance, each of them stays where it has been put.
    apart = deal(store, groups, SHARES)
    assert apart.splits[train] == apart.splits[validation] == "test"
    assert apart.moved == 0


def test_only_what_is_new_is_recorded(store):
    groups = [group(name) for name in "abcdef"]
    deal(store, groups, SHARES)
    deal(store, groups, SHARES)
    assert len(list(store.list("splits/"))) == 1
    deal(store, [*groups, group("g")], SplitShares(train=0.1, validation=0.1, test=0.8))
    first, second = (json.loads(store.get(key).data) for key in store.list("splits/"))
    assert Counter(key for keys in first["keys"].values() for key in keys).total() == 6
    assert second["keys"] == {"train": [], "validation": [], "test": ["image:g"]}


def test_of_two_curations_at_once_the_first_record_counts(store):
    rival = SplitRecord(keys={"train": [], "validation": [], "test": ["image:a", "image:z"]})

    class Raced(FileStore):
        """Another curation writes its record just before this one."""

        def put_if(self, key, data, etag):
            store.put_if("splits/00000000.json", rival.model_dump_json().encode(), None)
            return super().put_if(key, data, etag)

    dealt = deal(Raced(store.root), [group(name) for name in "abcdef"], SHARES)
    assert dealt.splits["a"] == "test"
    assert list(store.list("splits/")) == ["splits/00000000.json", "splits/00000001.json"]
    assert SplitRecord.model_validate_json(store.get("splits/00000000.json").data) == rival


def test_a_store_that_takes_no_record_ends_the_step(store):
    class Stuck(FileStore):
        """Says that each record is there already, and never has one."""

        def put_if(self, key, data, etag):
            return False

    with pytest.raises(CorallineError, match="could not be recorded") as caught:
        deal(Stuck(store.root), [group(name) for name in "abcdef"], SHARES)
    assert caught.value.where == store.uri
    assert "Run again" in caught.value.fix


def test_a_record_that_cannot_be_read_ends_the_step(store):
    store.put("splits/00000000.json", b'{"schema_version": 2}')
    with pytest.raises(CorallineError, match="no record of splits that this version reads"):
        deal(store, [group("a"), group("b")], SHARES)


def test_the_command_twice_gives_the_same_dataset(store, crawl, tmp_path):
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


def test_wrong_settings_are_one_line_and_exit_code_2(store, crawl, tmp_path):
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
