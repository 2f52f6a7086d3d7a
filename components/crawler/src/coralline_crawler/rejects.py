"""Why an image is not taken."""

from typing import Literal

Reason = Literal[
    "bad-scheme",
    "bad-url",
    "connection",
    "forgotten",
    "http-error",
    "licence",
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

FINAL: frozenset[str] = frozenset(
    (
        "bad-scheme",
        "bad-url",
        "forgotten",
        "noai",
        "not-an-image",
        "not-found",
        "too-many-redirects",
        "truncated",
    )
)
"""What another try would not change."""

LIMITS: frozenset[str] = frozenset(("too-large", "too-many-pixels", "too-small"))
"""What another try would change only under other limits."""

PASSING: frozenset[str] = frozenset(
    (
        "connection",
        "http-error",
        "missing-file",
        "private-address",
        "rate-limited",
        "refused",
        "robots",
        "robots-unavailable",
        "server-error",
        "timeout",
    )
)
"""What another try may change. The rest, `licence`, changes with the project."""


class RejectedError(Exception):
    """An image is not taken."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
