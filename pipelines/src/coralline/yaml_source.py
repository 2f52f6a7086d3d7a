"""A YAML file with the lines that its keys stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from pathlib import Path

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlSource:
    """What a YAML file says, and where it says it.

    Attributes:
        path: The file.
        content: The mapping that it holds.
        lines: The line, from 1, of every key: `("crawl", "sources", 0)` is the first source's.
        repeated: Keys that stand there twice, of which YAML would drop all but the last.
    """

    path: Path
    content: dict[str, Any]
    lines: dict[Key, int]
    repeated: tuple[Key, ...]

    @classmethod
    def read(cls, path: Path) -> YamlSource:
        """Read a file that holds a mapping.

        Raises:
            CorallineError: There is no such file, it is not YAML, or it holds no mapping.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            fix = "Write one with `coralline init NAME`."
            raise CorallineError("no such project file", where=str(path), fix=fix) from None
        except (OSError, UnicodeDecodeError) as error:
            raise CorallineError(f"cannot be read: {error}", where=str(path)) from error
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            problem = error.problem or error.context or "it does not parse"
            raise CorallineError(f"not YAML: {problem}", where=where) from error
        except yaml.YAMLError as error:
            raise CorallineError(f"not YAML: {error}", where=str(path)) from error
        if not isinstance(content, dict) or root is None:
            fix = "See `coralline init NAME` for one."
            raise CorallineError("not a project file: no keys", where=str(path), fix=fix)
        lines: dict[Key, int] = {}
        repeated: list[Key] = []
        _walk(root, (), lines, repeated)
        return cls(path, content, lines, tuple(repeated))

    def where(self, key: Key) -> str:
        """The file, the line and the key, as an error names them.

        The line is that of the longest part of `key` that the file has.
        """
        parts = (key[:length] for length in range(len(key), 0, -1))
        line = next((self.lines[part] for part in parts if part in self.lines), 1)
        return f"{self.path}:{line}: {'.'.join(str(part) for part in key)}"

    def known(self, key: Key) -> Key:
        """The parts of `key` that lead somewhere in the file, and its last.

        Pydantic puts the chosen type of a union among a key's parts; the file has no such key.
        """
        found: Key = ()
        for part in key[:-1]:
            if (*found, part) in self.lines:
                found = (*found, part)
        return (*found, key[-1]) if key else ()


def _walk(node: yaml.Node, key: Key, lines: dict[Key, int], repeated: list[Key]) -> None:
    if isinstance(node, yaml.MappingNode):
        children = [(name.value, value, name.start_mark) for name, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(index, value, value.start_mark) for index, value in enumerate(node.value)]
    else:
        return
    for name, value, mark in children:
        child = (*key, name)
        if child in lines:
            repeated.append(child)
        lines[child] = mark.line + 1
        _walk(value, child, lines, repeated)
