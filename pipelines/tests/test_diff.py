"""What came, went and changed between two datasets, and what it costs to find out."""

import json

import pytest
from coralline.diff import diff
from coralline_core import selection
from coralline_core.errors import CorallineError
from coralline_core.store import FileStore
from hypothesis import given, settings
from hypothesis import strategies as st


def told(difference):
    """The changes without their addresses."""
    return {
        (one.how, one.sha256, one.label_before, one.label, one.split_before, one.split)
        for one in difference.changes
    }


@pytest.fixture
def opened(album, monkeypatch):
    """The keys of the objects that are opened, in order."""
    keys = []
    plain = album.store.open
    monkeypatch.setattr(album.store, "open", lambda key: keys.append(key) or plain(key))
    return keys


def test_photos_come_go_and_change_label_and_split(album):
    stays, goes, turns, moves = (album.photo(n) for n in range(4))
    comes = album.photo(4, "dog", "test")
    before = album.curated([stays, goes, turns, moves])
    after = album.curated(
        [stays, comes, turns | {"label": "dog"}, moves | {"split": "test"}], before
    )
    found = diff(album.store, before, after)
    assert told(found) == {
        ("came", comes["sha256"], "dog", "dog", "test", "test"),
        ("went", goes["sha256"], "cat", "cat", "train", "train"),
        ("relabelled", turns["sha256"], "cat", "dog", "train", "train"),
        ("moved", moves["sha256"], "cat", "cat", "train", "test"),
    }
    assert {(c.image_url, c.page_url) for c in found.changes} == {
        (photo["image_url"], photo["page_url"]) for photo in (goes, comes, turns, moves)
    }
    cat, dog = (found.labels[label].model_dump() for label in ("cat", "dog"))
    nothing = {"came": 0, "went": 0, "gained": 0, "lost": 0, "moved": 0}
    assert cat == {**nothing, "before": 4, "after": 2, "went": 1, "lost": 1, "moved": 1}
    assert dog == {**nothing, "before": 0, "after": 2, "came": 1, "gained": 1}
    assert (found.shards_before, found.shards_after) == (0, 1)


def test_of_crops_the_photos_are_compared(album):
    splits = ("train", "train", "test")
    photos = [album.photo(n, "cat", split) for n, split in enumerate(splits)]
    new = album.photo(9)
    before = album.curated(photos)
    after = album.curated([*photos[1:], new], before)
    crops = album.crops(before), album.crops(after, margin=0.5)
    found = diff(album.store, *crops)
    assert {(one.how, one.sha256, one.image_url) for one in found.changes} == {
        ("went", photos[0]["sha256"], photos[0]["image_url"]),
        ("came", new["sha256"], new["image_url"]),
    }
    assert (found.labels["cat"].before, found.labels["cat"].after) == (3, 3)
    assert found.settings == {"margin": (0.2, 0.5)}


def test_what_both_datasets_share_is_not_read(album, opened, monkeypatch):
    monkeypatch.setattr(selection, "SEGMENT_ROWS", 8)
    monkeypatch.setattr(selection, "_FEW", 2)
    photos = [album.photo(n) for n in range(80)]
    before = album.curated(photos)
    new = album.photo(99)
    after = album.curated([*photos, new], before)
    shared = {part.key for part in before.selection} & {part.key for part in after.selection}
    assert len(shared) >= 9
    opened.clear()
    found = diff(album.store, before, after)
    assert [one.sha256 for one in found.changes] == [new["sha256"]]
    ours = {part.key for one in (before, after) for part in one.selection} - shared
    assert set(opened) == ours | {album.shard_of[new["sha256"]]}
    assert len(opened) <= 4


def test_new_images_are_told_without_a_look_at_what_is_shared(album, opened):
    photos = [album.photo(n) for n in range(10)]
    before = album.images(photos)
    shared = album.images([*photos, *(album.photo(n) for n in range(20, 30))], before)
    opened.clear()
    assert len(diff(album.store, before, shared).changes) == 10
    assert len(opened) == len(before.selection) + len(shared.selection)


def test_an_image_that_another_group_has_too_now_did_not_come(album, monkeypatch):
    monkeypatch.setattr(selection, "SEGMENT_ROWS", 4)
    monkeypatch.setattr(selection, "_FEW", 1)
    photos = [album.photo(n) for n in range(8)]
    before = album.images(photos)
    after = album.images([*photos, photos[0] | {"group": "another page"}], before)
    assert len({*before.selection} & {*after.selection}) == 2
    assert diff(album.store, before, after).changes == ()
    assert diff(album.store, after, before).changes == ()


seen = st.tuples(st.integers(0, 11), st.sampled_from("ab"), st.sampled_from("xyz"))


@settings(max_examples=25, deadline=None)
@given(found=st.lists(st.sets(seen, min_size=12), min_size=3, max_size=3))
def test_images_differ_as_sets_of_pictures_under_labels(tmp_path_factory, make_album, found):
    store = FileStore(tmp_path_factory.mktemp("store"))
    album = make_album(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SEGMENT_ROWS", 4)
        patch.setattr(selection, "_FEW", 1)
        datasets, names = [], []
        for rows in found:
            photos = [album.photo(n, label, group=group) for n, label, group in sorted(rows)]
            datasets.append(album.images(photos, datasets[-1] if datasets else None))
            names.append({(photo["sha256"], photo["label"]) for photo in photos})
    for at, other in ((0, 1), (1, 2), (2, 0), (1, 1)):
        differing = diff(store, datasets[at], datasets[other])
        gone, come = names[at] - names[other], names[other] - names[at]
        turned = {
            sha
            for sha, _ in gone
            if sum(s == sha for s, _ in gone) == sum(s == sha for s, _ in come) == 1
        }
        by = {how: {c for c in differing.changes if c.how == how} for how in ("came", "went")}
        assert {(c.sha256, c.label) for c in by["came"]} == {p for p in come if p[0] not in turned}
        assert {(c.sha256, c.label) for c in by["went"]} == {p for p in gone if p[0] not in turned}
        relabelled = [c for c in differing.changes if c.how == "relabelled"]
        assert {(c.sha256, c.label_before) for c in relabelled} == {
            pair for pair in gone if pair[0] in turned
        }
        assert len(differing.changes) == len(set(differing.changes))


def test_where_a_shard_has_gone_its_photos_are_told_without_addresses(album):
    kept, taken_down = album.photo(1), album.photo(2)
    before = album.curated([taken_down])
    after = album.curated([kept], before)
    album.store.delete(album.shard_of[taken_down["sha256"]])
    found = {one.how: one for one in diff(album.store, before, after).changes}
    assert found["went"].image_url is None
    assert found["came"].image_url == kept["image_url"]


def test_datasets_of_two_kinds_cannot_be_compared(album):
    photos = [album.photo(1)]
    with pytest.raises(CorallineError, match="is of kind images, and"):
        diff(album.store, album.images(photos), album.curated(photos))


def test_the_command_names_some_changes_and_all_in_json(album, finish):
    before = album.curated([album.photo(n) for n in range(9)])
    after = album.curated([album.photo(n) for n in range(8, 17)], before)
    arguments = ("diff", album.store.root, before.id[:12], after.id[:12])
    code, printed, errors = finish(*arguments, "--examples", 2)
    assert (code, errors) == (0, [])
    assert f"curated  {before.id[:8]}  {after.id[:8]}  came  went  gained  lost  moved" in printed
    assert "\ncame: cat (8)\n" in printed
    assert printed.count("https://example.org/page/") == 4
    assert printed.count("and 6 more, with --json") == 2
    code, printed, _ = finish(*arguments, "--json")
    assert code == 0
    assert len(json.loads(printed)["changes"]) == 16
    code, printed, _ = finish("diff", album.store.root, before.id, before.id)
    assert "no photo came, went or changed" in printed
