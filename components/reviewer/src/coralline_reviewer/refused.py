"""What a page can be told that nothing but another question helps against."""

from coralline_core.errors import CorallineError


class RefusedError(CorallineError):
    """A page asks for what cannot be: it may be older than what is here now."""


class GoneError(RefusedError):
    """A page asks for what somebody wanted gone."""
