"""Errors that a person can do something about."""


class CorallineError(Exception):
    """What happened, where, and what to do: shown as one line, never as a traceback.

    Args:
        what: What is wrong, as a sentence without its full stop.
        where: The file, key, URI or step it is wrong in.
        fix: What to do about it.

    >>> print(CorallineError("no labels", where="project.yaml", fix="Add `labels:`."))
    project.yaml: no labels. Add `labels:`.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}. {self.fix}" if self.fix else line


class GateError(CorallineError):
    """The work was done, and its result did not pass a gate of the project's (exit code 3)."""

    exit_code = 3
