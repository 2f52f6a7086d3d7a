"""Curating again: at the cost of what has changed, with the same result as from nothing."""

import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from coralline_core import rows, selection
from coralline_core.corrections import Correction, record
from coralline_core.dataset import Dataset
from coralline_core.progress import Progress
from coralline_core.store import FileStore
from coralline_curator.catalogue import KEY, key_of
from coralline_curator.curate import curate
from coralline_curator.settings import CurateSettings
from coralline_curator.splits import SplitRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PHOTOS = 12


@st.composite
def finding(draw) -> dict:
    """A row of one of a few photos, saved anew in some ways, on one of a few pages."""
    photo, bits = draw(st.integers(0, PHOTOS - 1)), draw(st.integers(0, 2**9 - 1))
    return {
        "sha256": f"{(photo * 7919 + bits * 104729) % 2**32:08x}-{photo}-{bits}",
        "phash": photo * 0x0FED_CBA9_8765_4321 % 2**64 ^ bits,
        "width": 100 + bits,
        "height": 100,
        "label": draw(st.sampled_from(["cat", "cat", "dog"])),
        "image_url": f"http://host/{photo}/{bits}",
        "page_url": f"http://host/page/{draw(st.integers(0, 9))}",
        "shard": f"shards/{draw(st.integers(0, 2))}.parquet",
    }


class Project:
    """A store whose images come and go."""

    def __init__(self, store):
        self.store = store
        self.images = Dataset(kind="images", shards=(), counts={"cat": {}, "dog": {}})

    def crawl(self, added, removed=()):
        tables = (pa.Table.from_pylist(list(some), rows.SELECTION) for some in (added, removed))
        segments = selection.revise(self.store, self.images.selection, *tables)
        self.images = self.images.model_copy(update={"selection": segments})

    def curate(self, progress=None):
        dataset, report = curate(
            CurateSettings(), self.images, self.store, progress or Progress.silent()
        )
        chosen = dataset.selected(self.store, ["sha256", "label", "group", "split", "shard"])
        kept = {row.pop("sha256"): row for row in chosen.to_pylist()}
        assert len(kept) == report.kept == chosen.num_rows == len(dataset)
        return kept, report.model_dump(exclude={"seconds"})

    def say(self, label, *names):
        at = datetime.now(UTC)
        record(self.store, Correction(images=names, label=label, at=at))


@pytest.fixture
def project(store, anchors):
    project = Project(store)
    project.crawl(anchors(6))
    return project


change = st.tuples(
    st.lists(finding(), max_size=8, unique_by=lambda row: (row["sha256"], row["label"])),
    st.sets(st.integers(0, 30), max_size=5),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["cat", "dog", None])), max_size=2),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(change, min_size=2, max_size=5))
def test_step_by_step_is_the_same_as_from_nothing(anchors, changes):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        following, anew = Project(FileStore(Path(one))), Project(FileStore(Path(other)))
        there = {}
        for project in (following, anew):
            project.crawl(anchors(6))
        for added, leaving, said in changes:
            new = {}
            for row in added:
                key = row["sha256"], row["label"], row["page_url"]
                if key not in there:
                    new[key] = {**row, "group": row["page_url"]}
            there_before = sorted(there)
            gone = [there_before[at] for at in leaving if at < len(there_before)]
            removed = [there.pop(key) for key in gone]
            there |= new
            for project in (following, anew):
                project.crawl(new.values(), removed)
                for at, label in said:
                    if at < len(there_before):
                        project.say(label, there_before[at][0])
            anew.store.delete(KEY)
            assert following.curate() == anew.curate()


def test_what_has_not_changed_is_not_read_again(project, monkeypatch):
    monkeypatch.setattr(selection, "SEGMENT_ROWS", 64)
    monkeypatch.setattr(selection, "_FEW", 16)
    many = [
        {
            "sha256": f"{n:064x}",
            "phash": n * 0x9E37_79B9_7F4A_7C15 % 2**64,
            "width": 50,
            "height": 50,
            "label": "cat",
            "image_url": f"http://host/{n}",
            "group": f"{n}",
        }
        for n in range(1000)
    ]
    project.crawl(many[:-3])
    kept, _ = project.curate()
    opened = []
    open_ = FileStore.open
    monkeypatch.setattr(FileStore, "open", lambda s, key: opened.append(key) or open_(s, key))
    before = set(project.images.selection)
    project.crawl(many[-3:])
    opened.clear()
    curate(CurateSettings(), project.images, project.store, Progress.silent())
    read = [key for key in opened if key.startswith("shards/")]
    new = [part.key for part in project.images.selection if part not in before]
    assert len(new) <= 2
    assert set(new) <= set(read)
    assert len(read) <= len(new) + 2, "and those of the curated selection that it changes"
    again, _ = project.curate()
    assert len(again) == len(kept) + 3
    assert kept.items() <= again.items()


def test_what_people_say_counts(project):
    project.crawl(
        [
            {"sha256": name, "phash": phash, "width": 50, "height": 50, "label": label}
            for name, phash, label in (
                ("a", 0x00FF_00FF, "cat"),
                ("a-small", 0x00FF_00FE, "cat"),
                ("b", 0xFF << 40, "cat"),
                ("b-small", 0xFE << 40, "dog"),
                ("c", 0x0F0F << 20, "cat"),
            )
        ]
    )
    kept, report = project.curate()
    assert kept["a"]["label"] == "cat"
    assert "b" not in kept
    assert report["rejected"]["two-labels"] == 2

    project.say("dog", "a", "b")
    project.say(None, "c")
    now, report = project.curate()
    assert (now["a"]["label"], now["b"]["label"]) == ("dog", "dog")
    assert "c" not in now
    assert now["a"]["split"] == kept["a"]["split"]
    assert report["rejected"] == {
        "duplicate": 0,
        "near-duplicate": 2,
        "two-labels": 0,
        "corrected": 1,
    }

    project.say("cat", "a")
    project.say("cat", "c")
    again, _ = project.curate()
    assert (again["a"]["label"], again["c"]["label"]) == ("cat", "cat")
    assert again["c"] == kept["c"], "it has kept its split"


def test_a_correction_to_a_label_that_the_project_lacks_leaves_the_photo_out(project):
    project.crawl([{"sha256": "a", "phash": 0, "width": 9, "height": 9, "label": "cat"}])
    project.say("fox", "a")
    kept, report = project.curate()
    assert "a" not in kept
    assert report["rejected"]["corrected"] == 1


def npy():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\0" * 1000, npy()])
def test_an_index_that_cannot_be_read_is_made_anew(project, said, content):
    before = project.curate()
    project.store.put(KEY, content)
    assert project.curate(Progress("curate", said.append)) == before
    assert any(f"{KEY} cannot be read" in event.message for event in said)


def test_another_distance_compares_everything_anew(project):
    project.crawl(
        {"sha256": name, "phash": phash, "width": 9, "height": 9, "label": "cat"}
        for name, phash in (("a", 0), ("b", 0b1111))
    )
    assert len(project.curate()[0]) == 13
    dataset, _ = curate(
        CurateSettings(near_duplicate_distance=3), project.images, project.store, Progress.silent()
    )
    assert len(dataset) == 14


def test_a_shard_that_was_rewritten_is_named_in_the_selection(project):
    row = {"sha256": "a", "phash": 0, "width": 9, "height": 9, "label": "cat", "shard": "shards/1"}
    project.crawl([row])
    assert project.curate()[0]["a"]["shard"] == "shards/1"
    project.crawl([{**row, "shard": "shards/2"}], [row])
    assert project.curate()[0]["a"]["shard"] == "shards/2"


def test_whichever_bit_of_the_index_is_another_it_is_made_anew(project):
    before = project.curate()
    data = project.store.get(KEY).data
    random = np.random.default_rng(1)
    for _ in range(150):
        changed = bytearray(data)
        changed[random.integers(len(data))] ^= 1 << random.integers(8)
        project.store.put(KEY, bytes(changed))
        assert project.curate() == before


def test_what_another_curation_moved_to_test_is_in_test(project):
    kept, _ = project.curate()
    row = next(row for row in kept.values() if row["split"] == "train")
    (name,) = project.store.list("splits/")
    record = SplitRecord(keys={"test": [f"{key_of(row['group']):016x}"]})
    project.store.put(name.replace("00000000", "00000001"), record.model_dump_json().encode())
    again, _ = project.curate()
    assert {r["split"] for r in again.values() if r["group"] == row["group"]} == {"test"}
