"""Whatever is damaged, and whenever a repair is killed: nothing is lost that can be had."""

import hashlib
import shutil

import pytest
from coralline.upkeep.rescue import proven_rows
from coralline_core.errors import CorallineError
from coralline_core.shards import read_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keeper import Dying, KilledError, cut, flipped, in_an_image


def test_a_repair_that_is_killed_goes_on_where_it_was(keeper):
    images, *_ = keeper.fill()
    keeper.publish("cat", 10)
    keeper.run()
    first, second = images.shards[0].key, keeper.crawl().shards[-1].key
    keeper.corrupt(first, lambda data: flipped(data, in_an_image(data, keeper.photo(3))))
    keeper.corrupt(second, cut)
    hurt = keeper.folder / "hurt"
    shutil.copytree(keeper.store.root, hurt)
    dying = Dying(keeper.store.root)
    keeper.mend(dying)
    total = dying.changes
    assert total > 10
    for dies_at in range(1, total + 1):
        shutil.rmtree(keeper.store.root)
        shutil.copytree(hurt, keeper.store.root)
        dying = Dying(keeper.store.root)
        dying.dies_at = dies_at
        with pytest.raises(KilledError):
            keeper.mend(dying)
        keeper.mend()
        keeper.assert_well()
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
    keeper.mend()
    keeper.assert_well()
    for dataset in keeper.run():
        assert keeper.shas(dataset) == keeper.shas_published()
    keeper.assert_well()


def test_whatever_bit_of_a_footer_is_changed_the_shard_is_read_or_said_to_be_damaged(keeper):
    """A footer has no checksum: pyarrow may come upon anything in it."""
    images, *_ = keeper.fill()
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
