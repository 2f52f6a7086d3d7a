"""What `coralline gc` deletes, and what it must not."""

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from coralline.run_folder import hold
from coralline.upkeep.garbage import GcReport
from coralline.upkeep.gc import cutoff, delete_garbage, find_garbage
from coralline_core.errors import CorallineError
from coralline_core.forgotten import Notice
from coralline_core.handover import Handover
from coralline_core.journal import append
from coralline_cropper.crop import crop
from coralline_cropper.settings import CropSettings
from keeper import SILENT, later, orphan, versions


def test_what_something_names_stays(filled):
    keeper, _ = filled
    keeper.publish("cat", 10)
    keeper.crawl()  # in no curated dataset yet
    before = keeper.snapshot()
    report, gone = keeper.collect()
    assert gone == set()
    assert report.garbage == {}
    assert keeper.snapshot() == before


def test_what_nothing_names_goes_once_it_is_old(filled):
    keeper, _ = filled
    shard = orphan(keeper)
    keeper.store.put("models/half/model.json", b"{")
    keeper.store.delete("models/half/model.json")
    keeper.store.put("models/half/model.keras", bytes(1000))
    young, gone = keeper.collect(before=datetime.now(UTC) - timedelta(hours=1))
    assert (gone, young.young) == (set(), 1)
    assert "1 object stays that nobody needs, written after" in str(young)
    assert "--older-than, and an hour for clocks that differ" in str(young)
    report, gone = keeper.collect()
    assert gone == {shard.key, "models/half/model.keras"}
    assert {kind: heap.bytes for kind, heap in report.garbage.items()} == {
        "images": shard.bytes,
        "unfinished models": 1000,
    }


def test_what_jobs_handed_over_goes_once_their_run_is_over(filled, tmp_path):
    keeper, _ = filled
    (tmp_path / "page.html").write_text("the page")
    Handover(keeper.store, "glasses-1").deliver("publish", {"page": tmp_path / "page.html"})
    keys = set(keeper.store.list("runs/"))
    assert len(keys) == 2
    _, gone = keeper.collect(before=datetime.now(UTC) - timedelta(hours=1))
    assert gone == set()
    report, gone = keeper.collect()
    assert gone == keys
    assert report.garbage["runs of Jobs"].objects == 2


def test_a_dry_run_says_the_same_and_deletes_nothing(keeper):
    keeper.fill()
    orphan(keeper)
    before = keeper.snapshot()
    found = find_garbage(keeper.store, later(), SILENT)
    dry = GcReport.of(found.garbage, found, deleted=False)
    assert keeper.snapshot() == before
    report, _ = keeper.collect()
    assert dry.garbage == report.garbage


def test_images_that_were_crawled_and_never_curated_stay(keeper):
    """A crawl that fell short writes its manifest; one that was killed leaves its records only."""
    keeper.publish("cat", 1)
    keeper.publish("dog", 2)
    images = keeper.crawl()
    keeper.store.delete(f"datasets/{images.id}.json")
    _, gone = keeper.collect()
    assert gone == {segment.key for segment in images.selection}
    keeper.asked.clear()
    assert keeper.shas(keeper.crawl()) == keeper.shas_published()
    assert not [path for path in keeper.asked if path.endswith(".jpg")]


def test_a_run_that_was_killed_before_its_manifests_is_made_again(keeper):
    """Its selections are garbage once they are old, though an index may name them."""
    runs = keeper.fill()
    for dataset in runs:
        keeper.store.delete(f"datasets/{dataset.id}.json")
    _, gone = keeper.collect()
    assert {segment.key for dataset in runs for segment in dataset.selection} <= gone
    again = keeper.run()
    assert again == runs
    for dataset in again:
        assert keeper.shas(dataset) == keeper.shas_published()


def ids(some):
    return {f"datasets/{dataset.id}.json" for run in some for dataset in run}


def test_the_newest_stay_and_what_models_were_made_from(keeper):
    runs = versions(keeper, 5)
    keeper.publish_model(runs[0][2], "old")
    keeper.publish_model(runs[2][2], "champion")
    report, gone = keeper.collect(keep_last=1)
    kept = [runs[0], runs[2], runs[4]]
    assert {key for key in gone if key.startswith("datasets/")} == ids(runs) - ids(kept)
    assert report.garbage["manifests"].objects == 6
    assert set(keeper.store.list("datasets/")) == ids(kept)
    for dataset in [dataset for run in kept for dataset in run]:
        assert len(keeper.shas(dataset)) == len(dataset)
    assert keeper.run() == runs[4]
    assert keeper.collect(keep_last=1)[1] == set()


def age(keeper, runs, start):
    """Give the manifests' objects times from `start` on: those of the first run the oldest."""
    for seconds, run in enumerate(runs):
        for key in ids([run]):
            os.utime(keeper.store.root / key, (start + seconds,) * 2)


def test_in_a_copy_of_a_store_without_its_times_the_newest_stay(keeper):
    runs = versions(keeper, 3)
    age(keeper, reversed(runs), time.time())
    keeper.collect(keep_last=1)
    assert set(keeper.store.list("datasets/")) == ids(runs[2:])


def test_what_a_run_came_to_again_is_the_newest(keeper):
    runs = versions(keeper, 3)
    for dataset in runs[1]:
        dataset.save(keeper.store)
    keeper.collect(keep_last=1)
    assert set(keeper.store.list("datasets/")) == ids(runs[1:2])


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "as older versions wrote them"])
def test_what_comes_back_from_quarantine_is_no_newer_than_it_was(keeper, dated):
    runs = versions(keeper, 2)
    if not dated:
        for key in ids(runs):
            keeper.corrupt(key, lambda data: re.sub(rb',\s*"saved_at": "[^"]*"', b"", data))
        age(keeper, runs, time.time() - 1000)
    (segment,) = runs[0][0].selection
    data = keeper.store.get(segment.key).data
    keeper.store.delete(segment.key)
    keeper.mend()
    assert ids(runs) != set(keeper.store.list("datasets/"))
    keeper.store.put(segment.key, data)
    keeper.mend()
    assert ids(runs) == set(keeper.store.list("datasets/"))
    keeper.collect(keep_last=1)
    assert set(keeper.store.list("datasets/")) == ids(runs[1:])


def test_manifests_of_years_share_their_shards_in_memory(keeper):
    runs = versions(keeper, 2)
    datasets = find_garbage(keeper.store, later(), SILENT).inventory.datasets
    first, second = (datasets[f"datasets/{run[0].id}.json"] for run in runs)
    assert first.shards[0] is second.shards[0]


def test_manifests_that_are_young_stay(keeper):
    runs = versions(keeper, 3)
    _, gone = keeper.collect(before=datetime.now(UTC) - timedelta(hours=1), keep_last=1)
    assert gone == set()
    assert set(keeper.store.list("datasets/")) == ids(runs)


def test_what_was_forgotten_has_gone_once_no_dataset_holds_it(keeper):
    keeper.fill()
    sha256, *_ = keeper.shas_published()
    photo = next(p for p in keeper.site.iterdir() if keeper.sha_of(p) == sha256).read_bytes()
    middle = photo[len(photo) // 2 :][:16]
    append(
        keeper.store,
        "forgotten/",
        Notice(by="sha256", value=sha256, images=(sha256,), why="", at="2026-01-01T00:00:00Z"),
    )
    keeper.run()
    holding = [key for key, data in keeper.snapshot().items() if middle in data]
    assert len(holding) == 1
    keeper.collect(keep_last=1)
    assert not [key for key, data in keeper.snapshot().items() if middle in data]
    for key in keeper.store.list("shards/"):
        with keeper.store.open(key) as file:
            table = pq.read_table(file)
        for column in {"sha256", "source_sha256"} & set(table.column_names):
            assert sha256 not in table[column].to_pylist()
    named = "".join(
        data.decode("latin-1") for data in keeper.snapshot("shards/", "index/").values()
    )
    assert holding[0] in named  # a record says that it was replaced


def test_what_manifests_in_quarantine_name_stays_until_they_come_back(keeper):
    images, *_ = keeper.fill()
    before = keeper.snapshot("index/")
    key = images.shards[0].key
    keeper.store.delete(key)
    keeper.mend()
    _, gone = keeper.collect(keep_last=1)
    assert gone == set()
    keeper.store.put(key, before[key])
    keeper.mend()
    for folder in ("datasets/", "shards/"):
        assert list(keeper.store.list(folder)) == [k for k in before if k.startswith(folder)]


def test_crops_of_settings_that_are_not_used_any_more_go_with_their_record(keeper):
    _, curated, crops = keeper.fill()
    other, _ = crop(CropSettings(mode="whole", size=16), curated, keeper.store, SILENT)
    assert other.shards != crops.shards
    report, gone = keeper.collect()
    assert set(report.garbage) == {"records of crops", "crops"}
    assert {shard.key for shard in other.shards} <= gone
    again, _ = crop(CropSettings(mode="whole", size=16), curated, keeper.store, SILENT)
    assert again.shards == other.shards
    assert keeper.shas(again) == keeper.shas_published()


@pytest.mark.parametrize("folder", ["datasets/", "crawls/", "crops/", "champion.json"])
def test_nothing_is_deleted_where_something_cannot_be_read(keeper, folder):
    *_, crops = keeper.fill()
    keeper.publish_model(crops)
    orphan(keeper)
    key = next(keeper.store.list(folder))
    keeper.corrupt(key, lambda data: data[:-20])
    before = keeper.snapshot()
    with pytest.raises(CorallineError, match=r"cannot be read.*nothing is deleted") as caught:
        keeper.collect()
    assert caught.value.where.endswith(key)
    assert keeper.snapshot() == before


def test_what_a_run_names_meanwhile_stays(keeper):
    """It comes upon the same dataset as an older one, between the look and the deletion."""
    runs = versions(keeper, 2)
    time.sleep(0.05)
    before = datetime.now(UTC)
    time.sleep(0.05)
    found = find_garbage(keeper.store, before, SILENT, keep_last=1)
    assert ids(runs[:1]) == {one.key for one in found.garbage if one.kind == "manifests"}
    assert "selections" in {one.kind for one in found.garbage}
    there = set(keeper.store.list(""))
    for dataset in runs[0]:
        dataset.save(keeper.store)
    report = delete_garbage(keeper.store, found, SILENT)
    assert report.garbage == {}
    assert set(keeper.store.list("")) == there
    for dataset in runs[0]:
        assert len(keeper.shas(dataset)) == len(dataset)


@pytest.mark.parametrize(
    ("text", "hours"), [("24h", 24), ("0s", 0), ("90m", 1.5), ("7d", 168), (" 2h ", 2)]
)
def test_an_hour_is_added_for_clocks_that_differ(text, hours):
    expected = datetime.now(UTC) - timedelta(hours=hours + 1)
    assert abs(cutoff(text) - expected) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "1w", "9999999d"])
def test_what_is_no_span_of_time_is_said(text):
    with pytest.raises(CorallineError, match="not a span of time"):
        cutoff(text)


def test_the_command_deletes_when_it_is_told_to_and_no_run_is_at_work(keeper):
    keeper.fill()
    shard = orphan(keeper)
    two_days_ago = time.time() - 48 * 3600
    os.utime(keeper.store.root / shard.key, (two_days_ago, two_days_ago))
    code, printed, errors = keeper.command("gc", "p.yaml")
    assert code == 0, errors
    assert "images" in printed
    assert "nothing was deleted; to delete it: --delete" in printed
    assert keeper.store.stat(shard.key) is not None
    with hold(keeper.store.uri):
        code, _, errors = keeper.command("gc", "p.yaml", "--delete")
    assert code == 2
    assert "another run is at work on this store" in errors.splitlines()[-1]
    code, printed, _ = keeper.command("gc", "p.yaml", "--delete", "--json")
    assert code == 0
    assert json.loads(printed)["garbage"] == {"images": {"objects": 1, "bytes": shard.bytes}}
    assert keeper.store.stat(shard.key) is None
    code, printed, _ = keeper.command("gc", "p.yaml")
    assert printed == "there is nothing to delete\n"
