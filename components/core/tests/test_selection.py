"""Selections in segments: what changes is written, and nothing else."""

import hashlib

import pyarrow as pa
import pytest
from coralline_core import rows, selection
from coralline_core.dataset import Dataset, ShardWriter
from coralline_core.store import FileStore
from hypothesis import given, settings
from hypothesis import strategies as st


def table(triples):
    return pa.Table.from_pylist(
        [
            {"sha256": f"{sha:064x}", "label": label, "group": group}
            for sha, label, group in triples
        ],
        rows.SELECTION,
    )


def triples(store, segments):
    read = selection.read(store, segments, ["sha256", "label", "group"]).to_pylist()
    return [(int(row["sha256"], 16), row["label"], row["group"]) for row in read]


row = st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.none() | st.sampled_from("xy"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sets(row, max_size=12), st.sets(row, max_size=4)), max_size=6))
def test_a_selection_holds_what_was_put_in_and_not_taken_out(tmp_path_factory, changes):
    store = FileStore(tmp_path_factory.mktemp("store"))
    segments, expected = (), set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "SEGMENT_ROWS", 8)
        patch.setattr(selection, "_FEW", 2)
        for added, removed in changes:
            added, removed = added - expected, removed & expected
            segments = selection.revise(store, segments, table(added), table(removed))
            expected = (expected - removed) | added
            assert sorted(map(str, triples(store, segments))) == sorted(map(str, expected))
            assert all(1 <= segment.rows <= 8 for segment in segments)


def test_a_change_shares_all_segments_but_those_that_it_touches(tmp_path):
    store = FileStore(tmp_path)
    size = selection.SEGMENT_ROWS
    before = selection.revise(store, (), table((n, "a", None) for n in range(3 * size + 10)))
    assert [segment.rows for segment in before] == [size, size, size, 10]
    added = [(10**6 + n, "a", None) for n in range(100)]
    after = selection.revise(
        store, before, table(added), table([(size + 5, "a", None)]), within=[1]
    )
    assert [segment.rows for segment in after] == [size, size - 1, size, 110]
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        True,
        False,
        True,
        False,
    ]


def test_nothing_added_or_removed_changes_nothing(tmp_path):
    store = FileStore(tmp_path)
    before = selection.revise(store, (), table([(1, "a", None)]))
    assert selection.revise(store, before, table([])) == before
    assert selection.revise(store, before, table([]), table([(2, "a", None)])) == before


def test_crops_take_label_group_and_split_from_their_photo_but_for_a_boxs_label(tmp_path):
    store = FileStore(tmp_path)
    photos = [hashlib.sha256(name).hexdigest() for name in (b"one", b"two", b"out")]
    with ShardWriter(store, rows.CROPS) as writer:
        for photo in photos:
            for index, box_label in enumerate((None, "drawn")):
                writer.add(
                    {
                        "image": {"bytes": b"png", "path": None},
                        "sha256": f"{photo[:8]}{index}",
                        "label": "before",
                        "split": "train",
                        "source_sha256": photo,
                        "crop_index": index,
                        "box_label": box_label,
                    }
                )
    decided = [
        {"sha256": photo, "label": "now", "group": "g", "split": split}
        for photo, split in zip(photos[:2], ("test", "train"), strict=True)
    ]
    crops = Dataset(
        kind="crops",
        shards=tuple(writer.shards),
        selection=selection.revise(store, (), pa.Table.from_pylist(decided, rows.SELECTION)),
        counts={},
    )
    reader = crops.reader(store)
    for _ in range(2):  # a second reading sees the same
        found = [
            tuple(row.values())
            for row in reader.iter_rows(["source_sha256", "label", "group", "split"])
        ]
        assert found == [
            (photos[0], "now", "g", "test"),
            (photos[0], "drawn", "g", "test"),
            (photos[1], "now", "g", "train"),
            (photos[1], "drawn", "g", "train"),
        ]
    assert len(list(reader.iter_rows(["sha256"], split="test"))) == 2
