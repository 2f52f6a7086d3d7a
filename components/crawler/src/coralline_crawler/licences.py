"""Licences, however they are written: what of them may be used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEED = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z-]+)"
)
_VERSION = re.compile(r"[ -]v?\d+(?:\.\d+)*\b.*$")  # and the country, which comes after it
_CC = re.compile(r"^(?:cc|creative commons)[ -]+")
_WORDS = {
    "attribution": "by",
    "sharealike": "sa",
    "noncommercial": "nc",
    "noderivs": "nd",
    "noderivatives": "nd",
}
_PUBLIC_DOMAIN = {
    **dict.fromkeys(("cc0", "zero", "cc zero", "cc-zero"), "cc0"),
    **dict.fromkeys(("pdm", "pd", "mark", "public domain", "public domain mark"), "pdm"),
}
CREATIVE_COMMONS = frozenset(
    ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm")
)
"""The families that have a deed at creativecommons.org."""


def family(licence: str) -> str:
    """What a licence is called whatever its version, its country and the way it is written.

    Of Creative Commons one of `CREATIVE_COMMONS`; of others, the text in small letters, in which
    a version counts.

    >>> [family(text) for text in ("by", "BY 2.0", "CC-BY-SA-4.0 International", "CC0 1.0")]
    ['by', 'by', 'by-sa', 'cc0']
    >>> family("https://creativecommons.org/licenses/by-nc/2.0/de/")
    'by-nc'
    >>> family("Creative Commons Attribution-ShareAlike 4.0"), family("Public Domain Mark")
    ('by-sa', 'pdm')
    >>> family("Own"), family("GPL 2.0")
    ('own', 'gpl 2.0')
    """
    text = " ".join(licence.lower().replace("_", "-").split())
    if deed := _DEED.match(text):
        text = deed[2]
    name = _VERSION.sub("", text)
    name = _PUBLIC_DOMAIN.get(name, name)
    name = _CC.sub("", name)
    name = _PUBLIC_DOMAIN.get(name, name)
    parts = {_WORDS.get(part, part) for part in re.split(r"[ -]", name)}
    terms = "-".join(term for term in ("by", "nc", "sa", "nd") if term in parts)
    if parts <= {"by", "nc", "sa", "nd"} and terms in CREATIVE_COMMONS:
        return terms
    return name if name in CREATIVE_COMMONS else text


class Allowed:
    """Which licences a project takes.

    Args:
        licences: As the project file has them; none: whatever there is.
    """

    def __init__(self, licences: Iterable[str]) -> None:
        self.families = frozenset(family(licence) for licence in licences)

    def __contains__(self, licence: str | None) -> bool:
        """Whether an image may be taken; None or empty: its licence is not known."""
        return not self.families or (bool(licence) and family(licence or "") in self.families)
