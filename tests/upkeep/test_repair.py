"""What `coralline verify --repair` saves, what it keeps, and what the next run then makes again."""

import hashlib
import shutil

import pyarrow.parquet as pq
import pytest
from coralline.upkeep.repair import repair
from coralline.upkeep.rescue import proven_rows
from coralline.upkeep.verify import verify
from coralline_core import rows
from coralline_core.dataset import Dataset
from coralline_core.errors import CorallineError
from coralline_core.forgotten import Notice
from coralline_core.journal import append
from coralline_core.progress import Progress
from coralline_core.shards import ShardWriter, read_table
from coralline_core.store import FileStore
from coralline_crawler.record import Record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SILENT = Progress.silent()


def mend(keeper, store=None):
    store = store or keeper.store
    report = repair(store, verify(store, SILENT), SILENT)
    return {damage.key: damage for damage in report.damages}


def assert_well(keeper):
    assert verify(keeper.store, SILENT).report.damages == ()


def cut(data):
    return data[: len(data) // 2]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def in_an_image(data, photo):
    """Where a shard has the bytes of a photo."""
    middle = len(photo) // 2
    at = data.index(photo[middle : middle + 16])
    assert data.index(photo[middle + 16 : middle + 32]) == at + 16
    return at


@pytest.fixture
def filled(keeping, any_address):
    keeper = keeping(any_address)
    return keeper, fill(keeper)


def fill(keeper):
    keeper.publish("cat", *range(5))
    keeper.publish("dog", *range(5, 10))
    return keeper.run()


def test_a_changed_byte_costs_one_image_and_the_next_crawl_fetches_it(filled):
    keeper, (images, _, crops) = filled
    shard, *others = images.shards
    assert not others
    bad = flipped(
        keeper.store.get(shard.key).data,
        in_an_image(keeper.store.get(shard.key).data, keeper.photo(3)),
    )
    keeper.store.put(shard.key, bad)
    damage = mend(keeper)[shard.key]
    assert damage.mended
    assert "9 of its images are in another shard now" in damage.then
    assert "the next crawl fetches 1 image again" in damage.then
    (kept,) = keeper.store.list(f"quarantine/{shard.key}")
    assert keeper.store.get(kept).data == bad
    assert keeper.store.get(shard.key) is None
    assert_well(keeper)

    keeper.asked.clear()
    again, _, cropped = keeper.run()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 1
    assert keeper.shas(again) == keeper.shas_published()
    assert cropped.shards == crops.shards
    assert keeper.shas(cropped) == keeper.shas_published()
    assert_well(keeper)


def test_a_shard_that_is_cut_is_fetched_again(filled):
    keeper, (images, *_) = filled
    (shard,) = images.shards
    keeper.corrupt(shard.key, cut)
    assert "the next crawl fetches 10 images again: 5 cat, 5 dog" in mend(keeper)[shard.key].then
    assert_well(keeper)
    keeper.asked.clear()
    again, *_ = keeper.run()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 10
    assert keeper.shas(again) == keeper.shas_published()
    assert_well(keeper)


def test_a_deleted_shard_is_fetched_again(filled):
    keeper, (images, *_) = filled
    keeper.store.delete(images.shards[0].key)
    mend(keeper)
    assert_well(keeper)
    again, *_ = keeper.run()
    assert keeper.shas(again) == keeper.shas_published()


def test_a_shard_whose_rows_are_all_there_is_what_it_was(keeper):
    """A byte that no reader needs: a shard has some between its magic and its pages."""
    images, *_ = fill(keeper)
    shard = images.shards[0]
    before = keeper.snapshot("index/")
    data = before[shard.key]
    hurt = next(
        changed
        for at in range(len(data) - 400, len(data) - 8)
        if readable(changed := flipped(data, at), keeper)
    )
    keeper.store.put(shard.key, hurt)
    assert "made again, byte for byte" in mend(keeper)[shard.key].then
    assert keeper.snapshot("index/", "quarantine/") == before


def readable(data, keeper):
    keeper.store.put("probe", data)
    found = list(proven_rows(keeper.store, "probe"))
    keeper.store.delete("probe")
    return len(found) == 10


def test_whatever_bit_of_a_footer_is_changed_the_shard_is_read_or_said_to_be_damaged(keeper):
    """A footer has no checksum: pyarrow may come upon anything in it."""
    images, *_ = fill(keeper)
    shard = images.shards[0]
    data = keeper.store.get(shard.key).data
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    said = set()
    for at in range(footer, len(data), 11):
        (keeper.store.root / shard.key).write_bytes(flipped(data, at))
        for row in proven_rows(keeper.store, shard.key):
            assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == row["sha256"]
        try:
            read_table(keeper.store, shard)
        except CorallineError as error:
            said.add(error.what.split(":")[0])
    assert said == {"the shard is not what was written"}


def test_images_that_are_in_another_shard_come_from_there(keeper):
    """As where a shard was written anew without a forgotten image, and the old one is there yet."""
    images, *_ = fill(keeper)
    old = images.shards[0].key
    append(keeper.store, "forgotten/", notice(keeper.shas_published()[0]))
    keeper.asked.clear()
    again, *_ = keeper.run()
    new = again.shards[0].key
    assert new != old
    keeper.store.delete(new)
    assert mend(keeper)[new].then == "9 of its images are in another shard now"
    assert_well(keeper)
    assert keeper.shas(keeper.crawl()) == keeper.shas_published()[1:]
    assert not [path for path in keeper.asked if path.endswith(".jpg")]


def notice(sha256):
    return Notice(by="sha256", value=sha256, images=(), why="", at="2026-01-01T00:00:00Z")


def test_what_is_to_be_forgotten_is_not_saved(keeper):
    images, *_ = fill(keeper)
    gone, *others = keeper.shas_published()
    append(keeper.store, "forgotten/", notice(gone))
    key = images.shards[0].key
    keeper.corrupt(key, lambda data: flipped(data, in_an_image(data, keeper.photo(9))))
    mend(keeper)
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
    assert mend(keeper)[key].then == f"restored from quarantine/{key}"
    assert keeper.snapshot("index/", "quarantine/") == before


@pytest.mark.parametrize("kind", ["images", "curated", "crops"])
def test_a_selection_that_is_lost_is_made_again_by_the_next_run(keeper, kind):
    before = {one.kind: one for one in fill(keeper)}
    (segment,) = before[kind].selection
    keeper.corrupt(segment.key, cut)
    damage = mend(keeper)[segment.key]
    assert "the next run makes it again" in damage.then
    assert_well(keeper)
    keeper.asked.clear()
    after = {one.kind: one for one in keeper.run()}
    assert after == before
    assert not [path for path in keeper.asked if path.endswith(".jpg")]
    assert keeper.shas(after[kind]) == keeper.shas_published()
    assert_well(keeper)


def test_crops_that_are_lost_are_cut_again(filled):
    keeper, before = filled
    (shard,) = before[-1].shards
    keeper.corrupt(shard.key, cut)
    mend(keeper)
    assert_well(keeper)
    assert keeper.run() == before
    assert keeper.shas(before[-1]) == keeper.shas_published()
    assert_well(keeper)


def test_a_manifest_that_cannot_be_read_is_kept_and_made_again(filled):
    keeper, before = filled
    key = f"datasets/{before[1].id}.json"
    keeper.corrupt(key, cut)
    assert "the next run makes it again" in mend(keeper)[key].then
    assert len(list(keeper.store.list(f"quarantine/{key}"))) == 1
    assert_well(keeper)
    assert keeper.run() == before
    assert Dataset.model_validate_json(keeper.store.get(key).data) == before[1]


def test_manifests_come_back_with_what_they_name(keeper):
    images, *_ = fill(keeper)
    before = keeper.snapshot("index/")
    key = images.shards[0].key
    keeper.store.delete(key)
    mend(keeper)
    assert set(keeper.store.list("datasets/")) < set(before)
    keeper.store.put(key, before[key])  # as an operator would, from a copy of the bucket
    mend(keeper)
    assert set(keeper.store.list("datasets/")) == {k for k in before if k.startswith("datasets/")}


@pytest.mark.parametrize("folder", ["splits/", "corrections/", "forgotten/", "models/"])
def test_what_nobody_else_knows_is_left_as_it_is(keeper, folder):
    *_, crops = fill(keeper)
    keeper.publish_model(crops)
    for name in ("corrections/", "forgotten/"):
        append(keeper.store, name, notice("ab" * 32))
    key = next(keeper.store.list(folder))
    keeper.corrupt(key, cut)
    damage = mend(keeper)[key]
    assert not damage.mended
    assert damage.then.startswith("restore it")
    assert keeper.store.get(key) is not None


@pytest.mark.parametrize("folder", ["crawls/", "forgotten/"])
def test_no_shard_is_mended_without_all_that_says_what_it_held(keeper, folder):
    images, *_ = fill(keeper)
    append(keeper.store, "forgotten/", notice("ab" * 32))
    keeper.corrupt(images.shards[0].key, cut)
    (key,) = keeper.store.list(folder)
    keeper.corrupt(key, cut)
    before = keeper.snapshot()
    with pytest.raises(CorallineError, match=r"cannot be read.*no shard is mended.*Restore it"):
        mend(keeper)
    assert keeper.snapshot() == before


class KilledError(BaseException):
    """The process dies."""


class Dying(FileStore):
    """A store whose process dies before a write."""

    writes = 0
    dies_at = None

    def _counted(self, write, *arguments):
        self.writes += 1
        if self.dies_at == self.writes:
            raise KilledError
        return write(*arguments)

    def put(self, key, data):
        self._counted(super().put, key, data)

    def put_if(self, key, data, etag):
        return self._counted(super().put_if, key, data, etag)

    def delete(self, key):
        self._counted(super().delete, key)


def test_a_repair_that_is_killed_goes_on_where_it_was(keeper):
    images, *_ = fill(keeper)
    keeper.publish("cat", 10)
    keeper.run()
    first, second = images.shards[0].key, keeper.crawl().shards[-1].key
    keeper.corrupt(first, lambda data: flipped(data, in_an_image(data, keeper.photo(3))))
    keeper.corrupt(second, cut)
    hurt = keeper.folder / "hurt"
    shutil.copytree(keeper.store.root, hurt)
    dying = Dying(keeper.store.root)
    mend(keeper, dying)
    total = dying.writes
    assert total > 10
    for dies_at in range(1, total + 1):
        shutil.rmtree(keeper.store.root)
        shutil.copytree(hurt, keeper.store.root)
        dying = Dying(keeper.store.root)
        dying.dies_at = dies_at
        with pytest.raises(KilledError):
            mend(keeper, dying)
        mend(keeper)
        assert_well(keeper)
        assert len(keeper.shas(keeper.crawl())) == 11
        assert len(list(keeper.store.list(f"quarantine/{first}"))) == 1
        assert len(list(keeper.store.list(f"quarantine/{second}"))) == 1


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_whatever_is_damaged_a_repair_and_a_run_bring_all_images_back(keeping, data):
    keeper = keeping()
    for first in (0, 4, 8):
        keeper.publish("cat", first, first + 1)
        keeper.publish("dog", first + 2, first + 3)
        if first:
            keeper.crawl()
    keeper.run()
    shards = list(keeper.store.list("shards/"))
    share = st.floats(0, 1, exclude_max=True)
    for place in data.draw(st.sets(st.integers(0, len(shards) - 1), min_size=1)):
        key = shards[place]
        content = keeper.store.get(key).data
        match data.draw(st.sampled_from(["flip", "cut", "delete", "add"])):
            case "flip":
                for part in data.draw(st.sets(share, min_size=1, max_size=3)):
                    content = flipped(content, int(part * len(content)))
                keeper.store.put(key, content)
            case "cut":
                keeper.store.put(key, content[: int(data.draw(share) * len(content))])
            case "add":
                keeper.store.put(key, content + data.draw(st.binary(min_size=1, max_size=9)))
            case "delete":
                keeper.store.delete(key)
    mend(keeper)
    assert_well(keeper)
    for dataset in keeper.run():
        assert keeper.shas(dataset) == keeper.shas_published()
    assert_well(keeper)


def test_the_rows_of_a_record_with_two_shards_are_told_apart(keeper):
    """As a crawl with a large image and many others may write them."""
    images, *_ = fill(keeper)
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
    damage = mend(keeper)[lost]
    assert "fetches 6 images again" in damage.then or "fetches 10" in damage.then
    assert_well(keeper)
    assert keeper.shas(keeper.crawl()) == keeper.shas_published()
    assert len([path for path in keeper.asked if path.endswith(".jpg")]) == 6
    assert keeper.store.get(left) is not None


def test_what_was_repaired_is_said_and_the_exit_code_is_0(keeper):
    images, *_ = fill(keeper)
    key = images.shards[0].key
    keeper.corrupt(key, lambda data: flipped(data, in_an_image(data, keeper.photo(3))))
    code, printed, errors = keeper.command("verify", "p.yaml", "--repair")
    assert code == 0, errors
    assert "  done: kept as quarantine/shards/" in printed
    code, printed, _ = keeper.command("verify", "p.yaml")
    assert code == 0
    assert printed.endswith("all is well\n")
