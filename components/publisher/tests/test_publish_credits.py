"""Whom a published model owes its pictures to."""

import csv
import io

import pytest
from coralline_core import rows
from coralline_core.dataset import Dataset, ShardWriter
from coralline_publisher.credits import credits_of


@pytest.fixture
def crops(store):
    """Writes a dataset of crops from the photos' numbers, each with its creator, in some shards."""

    def write(creators, shards=1):
        writer = ShardWriter(store, rows.CROPS)
        with writer:
            for at, (photo, creator) in enumerate(creators):
                writer.add(
                    {
                        "image": {"bytes": b"%d" % at, "path": "a.png"},
                        "sha256": f"{at:064x}",
                        "label": "hat",
                        "split": ("train", "validation", "test")[at % 3],
                        "source_sha256": f"{photo:064x}",
                        "crop_index": at,
                        "creator": creator,
                        "licence": creator and "by 4.0",
                        "page_url": creator and f"https://example.org/page/{photo}",
                        "image_url": f"https://example.org/{photo}.jpg",
                    }
                )
                if (at + 1) % max(1, len(creators) // shards) == 0:
                    writer.flush()
        return Dataset(kind="crops", shards=tuple(writer.shards), counts=writer.counts)

    return write


def read(data):
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_every_photo_of_every_split_is_credited_once_with_its_crops(crops, store):
    found = read(credits_of(crops([(1, "Zoë"), (2, 'Ann "A", of B'), (1, "Zoë")]), store))
    assert found == [
        {
            "creator": creator,
            "licence": "by 4.0",
            "page_url": f"https://example.org/page/{photo}",
            "image_url": f"https://example.org/{photo}.jpg",
            "sha256": f"{photo:064x}",
            "crops": count,
        }
        for creator, photo, count in (('Ann "A", of B', 2, "1"), ("Zoë", 1, "2"))
    ]


def test_what_a_source_did_not_say_is_unknown(crops, store):
    (line,) = read(credits_of(crops([(1, None)]), store))
    assert (line["creator"], line["licence"], line["page_url"]) == ("unknown",) * 3
    assert line["image_url"] == "https://example.org/1.jpg"


def test_the_same_crops_have_the_same_credits_however_they_lie_in_shards(crops, store):
    photos = [(n // 2, f"creator {n // 2 % 7}" if n % 5 else None) for n in range(20_000)]
    one, other = crops(photos), crops(photos[::-1], shards=5)
    assert len(other.shards) == 5
    assert credits_of(one, store) == credits_of(other, store)
    assert sum(int(line["crops"]) for line in read(credits_of(one, store))) == 20_000


def test_a_version_has_its_credits_and_its_card_names_them(make, store):
    made = make()
    version = made.publish().version
    data = store.get(f"models/{version}/CREDITS.csv").data
    assert len(read(data)) == 50
    assert {line["licence"] for line in read(data)} == {"by|sa 4.0"}
    folder = made.published / "model"
    assert "  CREDITS.csv\n" in (folder / "SHA256SUMS").read_text()
    assert "(CREDITS.csv)" in (folder / "README.md").read_text()
    page = (made.published / "report.html").read_text()
    assert "creator, licence and page of every photo" in page
