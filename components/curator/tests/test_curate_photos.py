"""Which photos are kept, and what is said about the others."""

from itertools import count

import pytest
from coralline_core.errors import CorallineError
from coralline_curator.curate import curate
from coralline_curator.settings import CurateSettings, SplitShares
from pydantic import ValidationError

FAR = 0x0F0F_3C3C_55AA_00FF


@pytest.fixture
def others(row):
    """Three groups of each label, far from each other and from hashes below 2**16."""
    names = count()
    return [
        row(f"{label}{next(names)}", (FAR * (5 * i + 3)) % 2**64 | 0xFFFF << 44, label)
        for i, label in enumerate(["cat"] * 3 + ["dog"] * 3)
    ]


@pytest.fixture
def kept(store, progress, crawl, others):
    """Curates rows, and returns the sha256s that are kept of them, and the report."""

    def kept(*rows, **settings):
        images = crawl(store, [*others, *rows])
        dataset, report = curate(CurateSettings(**settings), images, store, progress)
        table = dataset.table(store, ["sha256", "label", "split"])
        names = set(table["sha256"].to_pylist()) - {row["sha256"] for row in others}
        assert len(dataset) == table.num_rows == report.kept
        assert report.kept + sum(report.rejected.values()) == report.found
        return names, report

    return kept


def test_the_largest_of_near_duplicates_is_kept(kept, row):
    names, report = kept(
        row("a", 0b0111, width=50), row("b", 0b0000, width=200), row("c", 0b0001, width=100)
    )
    assert names == {"b"}
    assert report.rejected == {"duplicate": 0, "near-duplicate": 2, "two-labels": 0, "corrected": 0}
    assert [(d.rejected.sha256, d.kept.sha256, d.distance) for d in report.near_duplicates] == [
        ("a", "b", 3),
        ("c", "b", 1),
    ]


def test_of_equally_large_ones_the_least_sha256_is_kept(kept, row):
    assert kept(row("d", 0), row("b", 0), row("c", 1))[0] == {"b"}


def test_the_distance_is_the_settings(kept, row):
    rows = row("a", 0b0000), row("b", 0b0111)
    assert kept(*rows, near_duplicate_distance=2)[0] == {"a", "b"}
    assert kept(*rows, near_duplicate_distance=3)[0] == {"a"}


def test_in_a_chain_only_neighbours_are_the_same(kept, row):
    # a-b and b-c are near, a-c is not: with b gone, there is nothing that c repeats.
    chain = row("a", 0x00, width=300), row("b", 0x1F, width=200), row("c", 0x3FF, width=100)
    names, report = kept(*chain)
    assert names == {"a", "c"}
    assert report.largest_group == 2


def test_the_same_bytes_at_two_addresses_are_one(kept, row):
    names, report = kept(row("a", 0), row("a", 0, image_url="http://mirror/a.jpg"))
    assert names == {"a"}
    assert report.rejected["duplicate"] == 1


def test_what_two_crawls_found_counts_once(kept, row):
    names, report = kept(row("a", 0), row("a", 0))
    assert names == {"a"}
    assert report.rejected["duplicate"] == 0


def test_a_photo_under_two_labels_is_dropped_with_all_that_are_the_same(kept, row, said):
    names, report = kept(
        row("a", 0b00, "cat"),
        row("a", 0b00, "dog"),
        row("b", 0b01, "cat"),
        row("c", 0xF0F0, "dog"),
    )
    assert names == {"c"}
    assert report.rejected == {"duplicate": 0, "near-duplicate": 0, "two-labels": 3, "corrected": 0}
    assert report.conflict_count == 1
    ((first, second),) = report.conflicts
    assert (first.sha256, first.labels) == ("a", ("cat", "dog"))
    assert (second.sha256, second.labels) == ("b", ("cat",))
    assert second.image_url == "http://host/b.jpg"
    assert any("more than one label" in event.message for event in said)


def test_near_duplicates_under_two_labels_are_dropped(kept, row):
    names, report = kept(row("a", 0, "cat"), row("b", 0b111, "dog"), row("c", 0xFF00, "dog"))
    assert names == {"c"}
    assert [[p.sha256 for p in photos] for photos in report.conflicts] == [["a", "b"]]


def test_many_equal_hashes_are_no_trouble(kept, row):
    names, report = kept(*(row(f"x{i:04}", 0) for i in range(3000)))
    assert names == {"x0000"}
    assert report.rejected["near-duplicate"] == 2999
    assert len(report.near_duplicates) == 50


def test_labels_that_the_manifest_lacks_are_left_out(store, progress, crawl, row, others):
    images = crawl(store, [*others, row("a", 0, "fox"), row("cat9", 1, "fox")])
    images = images.model_copy(update={"counts": {"cat": {"": 3}, "dog": {"": 3}}})
    dataset, report = curate(CurateSettings(), images, store, progress)
    assert dataset.labels == ("cat", "dog")
    assert (report.found, report.kept, report.conflict_count) == (6, 6, 0)


def test_the_manifest_says_where_it_comes_from(store, progress, crawl, others):
    images = crawl(store, others)
    dataset, report = curate(CurateSettings(near_duplicate_distance=4), images, store, progress)
    assert (dataset.kind, dataset.parents, dataset.shards) == (
        "curated",
        (images.id,),
        images.shards,
    )
    assert dataset.settings["near_duplicate_distance"] == 4
    assert dataset.counts == {
        label: dict.fromkeys(("train", "validation", "test"), 1) for label in ("cat", "dog")
    }
    assert report.shares["cat"] == pytest.approx(dict.fromkeys(report.counts["cat"], 1 / 3))


def test_a_label_that_only_repeats_another_is_an_error(store, progress, crawl, row, others):
    images = crawl(store, [*others, row("a", 0, "cat"), row("a", 0, "fox")])
    with pytest.raises(CorallineError, match="all 1 images of fox were found under another label"):
        curate(CurateSettings(), images, store, progress)
    assert not list(store.list("splits/"))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"train": 0.8, "validation": 0.2, "test": 0.2}, "1.2 together, and must be 1"),
        ({"train": 0.8, "validation": 0.2, "test": 0}, "greater than 0"),
        ({"train": 0.8, "valid": 0.1, "test": 0.1}, "Extra inputs"),
    ],
)
def test_shares_that_are_no_shares(shares, message):
    with pytest.raises(ValidationError, match=message):
        SplitShares.model_validate(shares)
