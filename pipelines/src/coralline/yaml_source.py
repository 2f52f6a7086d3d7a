"""A YAML file with the lines that its keys stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from coralline_core.errors import CorallineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Key = tuple[str | int, ...]

_KEYS = 100_000  # aliases of aliases make billions of a few lines
_DEPTH = 16  # deeper than any project; an alias may make a file endless


class _Loader(yaml.SafeLoader):
    """Scalars are text, or null: the settings say which of them is a number or a boolean.

    YAML would make False of a label called `no`, and of `2026-01-02` a date.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 (as PyYAML declares it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for name, _ in node.value:
            if name.tag.endswith(":null"):
                name.tag = self.DEFAULT_SCALAR_TAG
        return super().construct_mapping(node, deep)


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
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise CorallineError(what, where=str(path)) from error
        except UnicodeDecodeError as error:
            raise CorallineError("not a text file in UTF-8", where=str(path)) from error
        try:
            root = yaml.compose(text, Loader=_Loader)
            content = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            said = ", ".join(filter(None, (error.context, error.problem)))
            raise CorallineError(f"not YAML: {said}", where=where) from error
        except yaml.reader.ReaderError as error:
            where = f"{path}:{text.count(chr(10), 0, error.position) + 1}"
            what = f"not YAML: the character {error.character:#x}"
            raise CorallineError(what, where=where) from error
        if not isinstance(content, dict) or root is None:
            fix = "Write one with `coralline init NAME`."
            raise CorallineError("not a project file: no keys", where=str(path), fix=fix)
        lines: dict[Key, int] = {}
        repeated: list[Key] = []
        for key, line in _lines(root, ()):
            if len(key) > _DEPTH or len(lines) > _KEYS:
                what = "nested too deep, or too long, for a project"
                raise CorallineError(what, where=f"{path}:{line}")
            if key in lines:
                repeated.append(key)
                lines = {other: at for other, at in lines.items() if other[: len(key)] != key}
            lines[key] = line
        return cls(path, content, lines, tuple(repeated))

    def where(self, key: Key) -> str:
        """The file, the line and the key, as an error names them."""
        return f"{self.path}:{self.line(key)}: {'.'.join(str(part) for part in key)}"

    def line(self, key: Key) -> int:
        """The line of the longest part of `key` that the file has."""
        parts = (key[:length] for length in range(len(key), 0, -1))
        return next((self.lines[part] for part in parts if part in self.lines), 1)

    def known(self, key: Key) -> Key:
        """The parts of `key` that lead somewhere in the file, and its last.

        Pydantic puts the chosen type of a union among a key's parts; the file has no such key.
        """
        found: Key = ()
        for part in key[:-1]:
            if (*found, part) in self.lines:
                found = (*found, part)
        return (*found, key[-1]) if key else ()


def _lines(node: yaml.Node, key: Key) -> Iterator[tuple[Key, int]]:
    """Every key below a node with its line, in the file's order."""
    if isinstance(node, yaml.MappingNode):
        children = [(name.value, value, name.start_mark) for name, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(index, value, value.start_mark) for index, value in enumerate(node.value)]
    else:
        return
    for name, value, mark in children:
        child = (*key, name)
        yield child, mark.line + 1
        yield from _lines(value, child)
