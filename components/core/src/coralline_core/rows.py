"""The columns of a dataset's rows.

They follow the image convention of Hugging Face's `datasets` (a struct of bytes and path), so that
`datasets.load_dataset("parquet", …)` and DuckDB read the shards as they are.
"""

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

IMAGES = pa.schema(
    [
        ("image", IMAGE),
        ("sha256", pa.string()),  # of the image's bytes, hex
        ("phash", pa.uint64()),
        ("width", pa.int32()),  # px, as shown: turned by EXIF
        ("height", pa.int32()),
        ("label", pa.string()),
        ("query", pa.string()),
        ("source", pa.string()),
        ("page_url", pa.string()),
        ("image_url", pa.string()),
        ("creator", pa.string()),
        ("licence", pa.string()),
        ("fetched_at", pa.timestamp("ms", tz="UTC")),
        ("group", pa.string()),  # what the source says belongs together, if it says
        ("split", pa.string()),  # train, validation or test, once curated
    ]
)

_DECIDED = ("sha256", "label", "group", "split")
_COMPARED = ("phash", "width", "height", "image_url", "page_url")  # by curation; null afterwards

SELECTION = pa.schema(
    [
        *(IMAGES.field(name) for name in _DECIDED + _COMPARED),
        pa.field("shard", pa.string()),  # the key of the one that the row is in
    ]
)
"""Which rows of IMAGES belong to a dataset. Curation compares by it, and opens no shard."""

CROPS = pa.schema(
    [
        *IMAGES,
        ("source_sha256", pa.string()),  # of the photo that the crop is from
        ("crop_index", pa.int32()),  # its place among the photo's regions, left to right, from 0
        ("box", pa.list_(pa.int32(), 4)),  # left, top, width, height, px in the photo
        ("detector_score", pa.float32()),
        ("box_label", pa.string()),  # of a drawn box that has one: it counts, not the photo's
    ]
)

PREDICTIONS = pa.schema(
    [
        ("crop", pa.string()),  # source_sha256:crop_index, the same while regions are found alike
        ("sha256", pa.string()),
        ("split", pa.string()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("probabilities", pa.list_(pa.float32())),  # in the order of labels.txt, sum 1
    ]
)

SPLITS = ("train", "validation", "test")


def crop_key(source_sha256: str, crop_index: int) -> str:
    """How predictions name a crop, whatever its pixels became.

    >>> crop_key("ab12", 0)
    'ab12:0'
    """
    return f"{source_sha256}:{crop_index}"
