"""What `coralline verify` finds."""

import json

import pytest
from coralline.upkeep.verify import verify
from coralline_core.corrections import Correction, record
from keeper import SILENT, cut, flipped


def fill(keeper):
    """Two runs and a model; the manifests of the second."""
    keeper.fill()
    keeper.publish("cat", 10)
    datasets = keeper.run()
    keeper.publish_model(datasets[-1])
    record(keeper.store, Correction(images=("ab",), label="cat", at="2026-01-01T00:00:00Z"))
    return keeper, datasets


@pytest.fixture
def filled(keeper):
    return fill(keeper)


@pytest.fixture
def filled_anywhere(keeping, any_address):
    return fill(keeping(any_address))


def damages(keeper, **options):
    return {one.key: one for one in verify(keeper.store, SILENT, **options).report.damages}


def test_a_store_is_well_and_nothing_is_changed(filled_anywhere):
    keeper, _ = filled_anywhere
    before = keeper.snapshot()
    report = verify(keeper.store, SILENT).report
    assert report.damages == ()
    assert report.well
    looked_at = [key for key in before if not key.startswith("index/")]
    not_summed = [key for key in looked_at if key.endswith(("SHA256SUMS", "champion.json"))]
    assert report.objects == len(looked_at) - len(not_summed)
    shards_and_model = [key for key in looked_at if key.startswith(("shards/", "models/"))]
    assert report.bytes == sum(
        len(before[key]) for key in shards_and_model if key not in not_summed
    )
    assert keeper.snapshot() == before
    assert verify(keeper.store, SILENT, quick=True).report.bytes == 0


@pytest.mark.parametrize("change", [flipped, cut, None], ids=["flipped", "cut", "deleted"])
def test_a_damaged_shard_of_images_says_what_it_takes_along(filled_anywhere, change):
    keeper, (images, curated, crops) = filled_anywhere
    shard = max(images.shards, key=lambda shard: shard.rows)
    if change is None:
        keeper.store.delete(shard.key)
    else:
        keeper.corrupt(shard.key, change)
    found = damages(keeper)
    assert list(found) == [shard.key]
    damage = found[shard.key]
    assert damage.images == {"cat": 5, "dog": 5}
    assert {f"images {images.id}", f"curated {curated.id}"} <= set(damage.datasets)
    assert f"crops {crops.id}" not in damage.datasets
    said = {flipped: "its sha256 is", cut: "were written", None: "is missing"}[change]
    assert said in damage.what
    quick = damages(keeper, quick=True)
    assert set(quick) == (set() if change is flipped else {shard.key})


@pytest.mark.parametrize("kind", ["crops", "images"])
def test_a_damaged_shard_that_can_be_made_again_is_found(filled, kind):
    keeper, (images, _, crops) = filled
    dataset, shard = {
        "crops": (crops, crops.shards[0]),
        "images": (images, images.selection[0]),
    }[kind]
    keeper.corrupt(shard.key, flipped)
    damage = damages(keeper)[shard.key]
    assert damage.images == {}
    assert damage.rows == shard.rows
    assert f"{kind} {dataset.id}" in damage.datasets


def test_a_manifest_cut_in_half_is_found(filled):
    keeper, (images, _, _) = filled
    key = f"datasets/{images.id}.json"
    keeper.corrupt(key, cut)
    found = damages(keeper)
    assert list(found) == [key]
    assert "cannot be read: Invalid JSON" in found[key].what


def test_a_manifest_that_says_something_else_is_found(filled):
    keeper, (images, _, _) = filled
    key = f"datasets/{images.id}.json"
    keeper.corrupt(key, lambda data: data.replace(b'"cat"', b'"cow"'))
    assert "it says something else than was written" in damages(keeper)[key].what


@pytest.mark.parametrize("folder", ["crawls/", "splits/", "corrections/", "crops/"])
def test_a_record_cut_in_half_is_found(filled, folder):
    keeper, _ = filled
    key = next(keeper.store.list(folder))
    keeper.corrupt(key, cut)
    assert key in damages(keeper)


def test_a_gap_in_the_splits_is_found(filled):
    keeper, _ = filled
    first, *_ = keys = list(keeper.store.list("splits/"))
    assert len(keys) > 1
    keeper.store.delete(first)
    found = damages(keeper)
    assert list(found) == [first]
    assert found[first].what == "is missing"


def test_a_changed_file_of_a_model_is_found(filled):
    keeper, _ = filled
    key = next(key for key in keeper.store.list("models/") if key.endswith(".tflite"))
    keeper.corrupt(key, flipped)
    assert list(damages(keeper)) == [key]
    keeper.store.delete(key)
    assert damages(keeper)[key].what == "is missing"


def test_changed_checksums_of_a_model_are_found(filled):
    keeper, _ = filled
    key = next(key for key in keeper.store.list("models/") if key.endswith("SHA256SUMS"))
    keeper.corrupt(key, flipped)
    assert list(damages(keeper)) == [key]


def test_a_champion_without_its_version_is_found(filled):
    keeper, _ = filled
    for key in list(keeper.store.list("models/")):
        keeper.store.delete(key)
    assert "which is not complete" in damages(keeper)["champion.json"].what
    keeper.corrupt("champion.json", cut)
    assert "cannot be read" in damages(keeper)["champion.json"].what


def test_what_lies_in_quarantine_is_said_where_all_else_is_well(filled):
    keeper, (images, *_) = filled
    keeper.corrupt(images.shards[0].key, cut)
    keeper.mend()
    report = verify(keeper.store, SILENT).report
    assert report.well
    assert report.quarantine["shards/"] == 1
    assert report.quarantine["datasets/"] >= 3
    said = f"in quarantine/: {report.quarantine['datasets/']} of datasets/, 1 of shards/"
    assert str(report).splitlines()[1:] == [said, "all is well"]


def test_a_quick_look_does_not_say_that_all_is_well(filled):
    keeper, (images, *_) = filled
    keeper.corrupt(images.shards[0].key, flipped)
    report = verify(keeper.store, SILENT, quick=True).report
    assert report.damages == ()
    assert str(report).splitlines()[0].endswith("shards and models for presence and size only")
    assert str(report).splitlines()[1:] == ["nothing is missing"]


def test_the_exit_code_and_the_lines_say_how_it_is(keeper):
    images, curated, _ = keeper.fill()
    code, printed, errors = keeper.command("verify", "p.yaml")
    assert code == 0, errors
    assert printed.endswith("all is well\n")
    shard = images.shards[0].key
    keeper.corrupt(shard, cut)
    code, printed, errors = keeper.command("verify", "p.yaml")
    assert code == 3
    assert f"{shard}: has " in printed
    assert "  takes along 10 images: 5 cat, 5 dog\n" in printed
    assert f"curated {curated.id}" in printed
    assert errors.splitlines()[-1] == (
        f"{keeper.store.uri}: the store is damaged. "
        "Put right what can be: coralline verify p.yaml --repair"
    )
    code, printed, _ = keeper.command("verify", keeper.address, "--json")
    assert code == 3
    assert [one["key"] for one in json.loads(printed)["damages"]] == [shard]
