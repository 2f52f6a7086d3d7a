"""`coralline gc --forgotten`: what is forgotten goes, whatever names it; the rest is whole."""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from coralline.upkeep.garbage import GcReport
from coralline.upkeep.gc import delete_garbage, find_garbage
from coralline_core.errors import CorallineError
from coralline_core.journal import append
from keeper import SILENT, Dying, KilledError, cut, later, notice


def forget(keeper, seed):
    """Forget a photo; returns its sha256."""
    sha256 = keeper.sha_of(keeper.site / f"{seed}.jpg")
    append(keeper.store, "forgotten/", notice(sha256))
    return sha256


def holding(keeper, seed):
    """The keys of all objects that have the bytes of a photo."""
    photo = keeper.photo(seed)
    middle = photo[len(photo) // 2 :][:16]
    return [key for key, data in keeper.snapshot().items() if middle in data]


def taken_down(keeper):
    """A model was made from a photo that is forgotten since, and no dataset since has it."""
    before = keeper.fill()
    keeper.publish_model(before[-1])
    forget(keeper, 3)
    return before, keeper.run()


@pytest.fixture
def forgotten(keeping, any_address):
    keeper = keeping(any_address)
    return keeper, *taken_down(keeper)


def test_nothing_of_a_forgotten_image_is_left_though_a_champion_was_made_from_it(forgotten):
    keeper, before, now = forgotten
    keeper.collect(keep_last=1)
    assert len(holding(keeper, 3)) == 1  # the champion's
    report, gone = keeper.collect(forgotten=True)
    assert holding(keeper, 3) == []
    assert {before[0].shards[0].key, before[2].shards[0].key} <= gone
    assert {key for key in gone if key.startswith("datasets/")} == {
        f"datasets/{dataset.id}.json" for dataset in before
    }
    assert report.quarantined == 0
    keeper.assert_well()
    for dataset in now:
        assert len(keeper.shas(dataset)) == len(dataset) == 9
    keeper.asked.clear()
    assert keeper.run() == now
    assert not [path for path in keeper.asked if path.endswith(".jpg")]
    assert keeper.collect(forgotten=True)[1] == set()


def test_before_a_run_has_left_it_out_nothing_goes(keeper):
    keeper.fill()
    forget(keeper, 3)
    there = keeper.snapshot()
    with pytest.raises(CorallineError, match=r"no run has left out yet.*Run the project"):
        keeper.collect(forgotten=True)
    assert keeper.snapshot() == there


def test_where_nothing_is_forgotten_nothing_more_goes(keeper):
    before = keeper.fill()
    keeper.publish_model(before[-1])
    there = keeper.snapshot()
    assert keeper.collect(forgotten=True)[1] == set()
    assert keeper.snapshot() == there


def test_a_dry_run_says_the_same(keeper):
    taken_down(keeper)
    there = keeper.snapshot()
    found = find_garbage(keeper.store, later(), SILENT, forgotten=True)
    dry = GcReport.of(found.garbage, found, deleted=False)
    assert keeper.snapshot() == there
    assert keeper.collect(forgotten=True)[0].garbage == dry.garbage


def test_what_is_young_stays_and_is_counted(keeper):
    before, _ = taken_down(keeper)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    report, gone = keeper.collect(before=hour_ago, forgotten=True)
    assert gone == set()
    assert report.young == len(before)


def test_a_manifest_in_quarantine_keeps_nothing_forgotten_and_copies_of_shards_are_named(keeper):
    before, now = taken_down(keeper)
    (segment,) = before[0].selection
    keeper.corrupt(segment.key, cut)
    keeper.mend()
    assert list(keeper.store.list("quarantine/datasets/"))
    report, _ = keeper.collect(forgotten=True)
    assert holding(keeper, 3) == []
    assert list(keeper.store.list("quarantine/datasets/")) == []
    assert report.quarantined == 1
    assert "quarantine/ has 1 shard, where it may be, too: delete them yourself" in str(report)
    for dataset in now:
        assert len(keeper.shas(dataset)) == 9


def test_killed_at_any_deletion_it_leaves_a_store_that_is_whole(keeper):
    taken_down(keeper)
    full = keeper.folder / "full"
    shutil.copytree(keeper.store.root, full)
    keeper.collect(forgotten=True)
    left = keeper.snapshot()
    dies_at, killed = 0, True
    while killed:
        shutil.rmtree(keeper.store.root)
        shutil.copytree(full, keeper.store.root)
        dying = Dying(keeper.store.root)
        dying.dies_at = dies_at = dies_at + 1
        found = find_garbage(dying, later(), SILENT, forgotten=True)
        try:
            delete_garbage(dying, found, SILENT)
            killed = False
        except KilledError:
            keeper.assert_well()
        keeper.collect(forgotten=True)
        assert keeper.snapshot() == left
    assert dies_at > 5


def test_the_command_takes_down(keeper):
    keeper.fill()
    forget(keeper, 3)
    keeper.run()
    two_days_ago = time.time() - 48 * 3600
    for key in keeper.store.list(""):
        os.utime(keeper.store.root / key, (two_days_ago, two_days_ago))
    code, printed, errors = keeper.command("gc", "p.yaml", "--forgotten", "--delete")
    assert code == 0, errors
    assert "manifests" in printed
    assert holding(keeper, 3) == []
    assert keeper.command("verify", "p.yaml")[0] == 0
