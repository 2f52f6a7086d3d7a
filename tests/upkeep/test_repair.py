"""What `coralline verify --repair` saves, what it keeps, and what the next run then makes again."""

import pyarrow.parquet as pq
import pytest
from coralline.upkeep.rescue import proven_rows
from coralline_core import rows
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.journal import append
from coralline_core.shards import ShardWriter
from coralline_crawler.record import Record
from keeper import cut, flipped, in_an_image, notice


def test_a_changed_byte_costs_one_image_and_the_next_crawl_fetches_it(filled):
    keeper, (images, *_) = filled
    shard, *others = images.shards
    assert not others
    bad = flipped(
        keeper.store.get(shard.key).data,
        in_an_image(keeper.store.get(shard.key).data, keeper.photo(3)),
    )
    keeper.store.put(shard.key, bad)
    damage = keeper.mend()[shard.key]
    assert damage.mended
    assert "9 of its images are in another shard now" in damage.then
    assert "the next crawl fetches 1 image again" in damage.then
    (kept,) = keeper.store.list(f"quarantine/{shard.key}")
    assert keeper.store.get(kept).data == bad
    assert keeper.store.get(shard.key) is None
    keeper.assert_well()

    keeper.asked.clear()
    again, _, cropped = keeper.run()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 1
    assert keeper.shas(again) == keeper.shas_published()
    assert keeper.shas(cropped) == keeper.shas_published()
    keeper.assert_well()


def test_a_shard_that_is_cut_is_fetched_again(filled):
    keeper, (images, *_) = filled
    (shard,) = images.shards
    keeper.corrupt(shard.key, cut)
    assert "the next crawl fetches 10 images again: 5 cat, 5 dog" in keeper.mend()[shard.key].then
    keeper.assert_well()
    keeper.asked.clear()
    again, *_ = keeper.run()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 10
    assert keeper.shas(again) == keeper.shas_published()
    keeper.assert_well()


def test_a_deleted_shard_is_fetched_again(filled):
    keeper, (images, *_) = filled
    keeper.store.delete(images.shards[0].key)
    keeper.mend()
    keeper.assert_well()
    again, *_ = keeper.run()
    assert keeper.shas(again) == keeper.shas_published()


def test_a_shard_whose_rows_are_all_there_is_what_it_was(keeper):
    """A byte that no reader needs: a shard has some between its magic and its pages."""
    images, *_ = keeper.fill()
    shard = images.shards[0]
    before = keeper.snapshot("index/")
    data = before[shard.key]
    hurt = next(
        changed
        for at in range(len(data) - 400, len(data) - 8)
        if readable(changed := flipped(data, at), keeper)
    )
    keeper.store.put(shard.key, hurt)
    assert "made again, byte for byte" in keeper.mend()[shard.key].then
    assert keeper.snapshot("index/", "quarantine/") == before


def readable(data, keeper):
    keeper.store.put("probe", data)
    found = list(proven_rows(keeper.store, "probe"))
    keeper.store.delete("probe")
    return len(found) == 10


def test_images_that_are_in_another_shard_come_from_there(keeper):
    """As where a shard was written anew without a forgotten image, and the old one is there yet."""
    images, *_ = keeper.fill()
    old = images.shards[0].key
    append(keeper.store, "forgotten/", notice(keeper.shas_published()[0]))
    keeper.asked.clear()
    again, *_ = keeper.run()
    new = again.shards[0].key
    assert new != old
    keeper.store.delete(new)
    assert keeper.mend()[new].then == "9 of its images are in another shard now"
    keeper.assert_well()
    assert keeper.shas(keeper.crawl()) == keeper.shas_published()[1:]
    assert not [path for path in keeper.asked if path.endswith(".jpg")]


def test_what_is_to_be_forgotten_is_not_saved(keeper):
    images, *_ = keeper.fill()
    gone, *others = keeper.shas_published()
    append(keeper.store, "forgotten/", notice(gone))
    key = images.shards[0].key
    keeper.corrupt(key, lambda data: flipped(data, in_an_image(data, keeper.photo(9))))
    keeper.mend()
    (new,) = [k for k in keeper.store.list("shards/") if is_images(keeper, k)]
    assert gone not in shas_in(keeper, new)
    assert keeper.shas(keeper.crawl()) == others


def is_images(keeper, key):
    with keeper.store.open(key) as file:
        names = pq.read_schema(file).names
    return "image" in names and "crop_index" not in names


def shas_in(keeper, key):
    with keeper.store.open(key) as file:
        return pq.read_table(file, columns=["sha256"])["sha256"].to_pylist()


def test_a_copy_in_quarantine_that_is_well_comes_back(filled):
    keeper, (images, *_) = filled
    before = keeper.snapshot("index/")
    key = images.shards[0].key
    keeper.store.put(f"quarantine/{key}", before[key])
    keeper.store.delete(key)
    assert keeper.mend()[key].then == f"restored from quarantine/{key}"
    assert keeper.snapshot("index/", "quarantine/") == before


def test_a_copy_in_quarantine_brings_older_datasets_back_after_a_repair_and_a_run(filled):
    keeper, before = filled
    key = before[0].shards[0].key
    copy = keeper.store.get(key).data
    keeper.corrupt(key, cut)
    keeper.mend()
    keeper.run()
    assert keeper.store.get(key) is None
    keeper.store.put(f"quarantine/{key}", copy)
    keeper.mend()
    assert keeper.store.get(key).data == copy
    there = set(keeper.store.list("datasets/"))
    assert {f"datasets/{dataset.id}.json" for dataset in before} <= there
    for dataset in before:
        assert keeper.shas(dataset) == keeper.shas_published()
    assert list(keeper.store.list("quarantine/datasets/")) == []
    keeper.assert_well()


def test_a_manifest_that_a_run_made_again_is_not_replaced_by_the_one_in_quarantine(keeper):
    before = keeper.fill()
    (segment,) = before[1].selection
    keeper.store.delete(segment.key)
    keeper.mend()
    aside = set(keeper.store.list("quarantine/datasets/"))
    assert len(aside) == 2  # the crops have the same selection
    assert keeper.run() == before
    made = keeper.snapshot()
    keeper.mend()
    assert keeper.snapshot() == {key: made[key] for key in made.keys() - aside}


@pytest.mark.parametrize("kind", ["images", "curated", "crops"])
def test_a_selection_that_is_lost_is_made_again_by_the_next_run(keeper, kind):
    before = {one.kind: one for one in keeper.fill()}
    (segment,) = before[kind].selection
    keeper.corrupt(segment.key, cut)
    damage = keeper.mend()[segment.key]
    assert "the next run makes it again" in damage.then
    keeper.assert_well()
    keeper.asked.clear()
    after = {one.kind: one for one in keeper.run()}
    assert after == before
    assert not [path for path in keeper.asked if path.endswith(".jpg")]
    assert keeper.shas(after[kind]) == keeper.shas_published()
    keeper.assert_well()


def test_crops_that_are_lost_are_cut_again(filled):
    keeper, before = filled
    (shard,) = before[-1].shards
    keeper.corrupt(shard.key, cut)
    keeper.mend()
    keeper.assert_well()
    assert keeper.run() == before
    assert keeper.shas(before[-1]) == keeper.shas_published()
    keeper.assert_well()


def test_a_manifest_that_cannot_be_read_is_kept_and_made_again(filled):
    keeper, before = filled
    key = f"datasets/{before[1].id}.json"
    keeper.corrupt(key, cut)
    assert "the next run makes it again" in keeper.mend()[key].then
    assert len(list(keeper.store.list(f"quarantine/{key}"))) == 1
    keeper.assert_well()
    assert keeper.run() == before
    assert Dataset.model_validate_json(keeper.store.get(key).data).id == before[1].id


def test_manifests_come_back_with_what_they_name(keeper):
    images, *_ = keeper.fill()
    before = keeper.snapshot("index/")
    key = images.shards[0].key
    keeper.store.delete(key)
    keeper.mend()
    assert set(keeper.store.list("datasets/")) < set(before)
    keeper.store.put(key, before[key])  # as an operator would, from a copy of the bucket
    keeper.mend()
    assert set(keeper.store.list("datasets/")) == {k for k in before if k.startswith("datasets/")}


@pytest.mark.parametrize("folder", ["splits/", "corrections/", "forgotten/", "models/"])
def test_what_nobody_else_knows_is_left_as_it_is(keeper, folder):
    *_, crops = keeper.fill()
    keeper.publish_model(crops)
    for name in ("corrections/", "forgotten/"):
        append(keeper.store, name, notice("ab" * 32))
    key = next(keeper.store.list(folder))
    keeper.corrupt(key, cut)
    damage = keeper.mend()[key]
    assert not damage.mended
    assert damage.then.startswith("restore it")
    assert keeper.store.get(key) is not None


@pytest.mark.parametrize("folder", ["crawls/", "forgotten/"])
def test_no_shard_is_mended_without_all_that_says_what_it_held(keeper, folder):
    images, *_ = keeper.fill()
    append(keeper.store, "forgotten/", notice("ab" * 32))
    keeper.corrupt(images.shards[0].key, cut)
    (key,) = keeper.store.list(folder)
    keeper.corrupt(key, cut)
    before = keeper.snapshot()
    with pytest.raises(CorallineError, match=r"cannot be read.*no shard is mended.*Restore it"):
        keeper.mend()
    assert keeper.snapshot() == before


def test_the_rows_of_a_record_with_two_shards_are_told_apart(keeper):
    """As a crawl with a large image and many others may write them."""
    images, *_ = keeper.fill()
    (key,) = keeper.store.list("crawls/")
    record = Record.model_validate_json(keeper.store.get(key).data)
    every = list(images.iter_rows(keeper.store))
    with ShardWriter(keeper.store, rows.IMAGES) as writer:
        for at, row in enumerate(every):
            writer.add({**row, "split": None})
            if at == 5:
                writer.flush()
    two = record.model_copy(update={"shards": tuple(writer.shards)})
    keeper.store.put(key, two.model_dump_json().encode())
    for old in (
        *keeper.store.list("datasets/"),
        *keeper.store.list("index/"),
        images.shards[0].key,
    ):
        keeper.store.delete(old)
    lost, left = (shard.key for shard in two.shards)
    keeper.store.delete(lost)
    keeper.asked.clear()
    damage = keeper.mend()[lost]
    assert "fetches 6 images again" in damage.then or "fetches 10" in damage.then
    keeper.assert_well()
    assert keeper.shas(keeper.crawl()) == keeper.shas_published()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 6
    assert keeper.store.get(left) is not None


def test_what_was_repaired_is_said_and_the_exit_code_is_0(keeper):
    images, *_ = keeper.fill()
    key = images.shards[0].key
    keeper.corrupt(key, lambda data: flipped(data, in_an_image(data, keeper.photo(3))))
    code, printed, errors = keeper.command("verify", "p.yaml", "--repair")
    assert code == 0, errors
    assert "  done: kept as quarantine/shards/" in printed
    code, printed, _ = keeper.command("verify", "p.yaml")
    assert code == 0
    assert printed.endswith("all is well\n")
