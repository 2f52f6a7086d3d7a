"""What the crawler says of its work."""

from coralline_core.reports import Report


class QueryReport(Report):
    """What became of a query."""

    found: int
    """Results of this crawl's search."""
    kept: int
    """Images in the dataset that it found first."""


class LabelReport(Report):
    """What became of a label."""

    images: int
    """In the dataset."""
    queries: dict[str, QueryReport]
    """By query; `""` for what files and folders name without one."""
    rejected: dict[str, int]
    """By reason."""


class CrawlReport(Report):
    """Counts over all crawls into the store, of the project's labels."""

    crawled: int
    """Images in the dataset."""
    fetched: int
    """Of these, new in this crawl."""
    rejected: dict[str, int]
    """By reason; `duplicate`: the label has the same file already, from another URL."""
    examples: dict[str, list[str]]
    """By reason, up to five URLs."""
    labels: dict[str, LabelReport]
    sources: dict[str, int]
    """Images by source."""
    licences: dict[str, int]
    """Images by licence, `""` where it is not known."""
    bytes: int
    """Of the images that are new."""
    seconds: float
