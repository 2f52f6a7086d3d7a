"""Why an image is not taken."""

from typing import Literal, get_args

Reason = Literal[
    "bad-url",
    "connection",
    "http-error",
    "missing-file",
    "noai",
    "not-an-image",
    "not-found",
    "private-address",
    "rate-limited",
    "refused",
    "robots",
    "robots-unavailable",
    "server-error",
    "timeout",
    "too-large",
    "too-many-pixels",
    "too-many-redirects",
    "too-small",
    "truncated",
]

REASONS: tuple[str, ...] = get_args(Reason)

FINAL: frozenset[str] = frozenset(
    ("bad-url", "noai", "not-an-image", "not-found", "refused", "too-many-redirects", "truncated")
)
"""What another try would not change."""

LIMITS: frozenset[str] = frozenset(("too-large", "too-many-pixels", "too-small"))
"""What another try would change only under other limits."""


class Reject(Exception):  # noqa: N818
    """An image is not taken."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
