"""YAML text as plain data plus the line of every field, with the traps of YAML closed.

A key given twice is refused (YAML would silently keep the last one), and so are aliases, which a task file
does not need and which can make a short file expand without end.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

FieldPath: TypeAlias = tuple[str | int, ...]


class DocumentError(ValueError):
    """The text is not a YAML mapping; ``line`` counts from 1 and is None where it is unknown."""

    def __init__(self, message: str, *, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """The content of one YAML file and the line, from 1, on which each field starts."""

    content: Mapping[str, object]
    lines: Mapping[FieldPath, int]

    def line_of(self, path: FieldPath) -> int | None:
        """The line of a field, or of the nearest one around it; None for the document as a whole."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


@functools.lru_cache(maxsize=128)  # a task file is read at every turn, and takes 20 ms
def read_document(data: bytes) -> Document:
    """The mapping in a UTF-8 YAML file, with the line of every field; refuses anything else. The same bytes
    give the same document, which nobody changes.
    """
    try:
        loader = yaml.SafeLoader(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DocumentError("expected text in UTF-8, found other bytes", line=line) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"expected YAML, found: {error}".replace("\n", " "), line=None) from error
    try:
        return _document(loader)
    except DocumentError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found = ", ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError(f"expected YAML, found: {found}", line=mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(f"expected YAML, found: {error}", line=None) from error
    finally:
        loader.dispose()


def _document(loader: yaml.SafeLoader) -> Document:
    node = loader.get_single_node()
    if node is None:
        raise DocumentError("expected fields, found an empty file", line=None)
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError("expected fields such as `task_id: ...`, found a list or a single value", line=1)
    lines = dict(_lines(node, (), set()))
    return Document({str(key): value for key, value in loader.construct_document(node).items()}, lines)


def _lines(node: yaml.Node, path: FieldPath, seen: set[int]) -> Iterator[tuple[FieldPath, int]]:
    if isinstance(node, yaml.ScalarNode):
        return
    if id(node) in seen:
        line = node.start_mark.line + 1
        raise DocumentError(f"{dotted(path)}: expected plain values, found a YAML alias (*...)", line=line)
    seen.add(id(node))
    for part, mark, child in _children(node, path):
        yield (*path, part), mark.line + 1
        yield from _lines(child, (*path, part), seen)


def _children(node: yaml.Node, path: FieldPath) -> Iterator[tuple[str | int, yaml.Mark, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        yield from ((place, child.start_mark, child) for place, child in enumerate(node.value))
        return
    keys: set[str] = set()
    for key, child in node.value:
        name = str(key.value)
        if name in keys:
            raise DocumentError(
                f"{dotted((*path, name))}: expected the field once, found it a second time",
                line=key.start_mark.line + 1,
            )
        keys.add(name)
        yield name, key.start_mark, child


def dotted(path: FieldPath) -> str:
    """A field path as it is shown to people.

    >>> dotted(("steps", 2, "critical"))
    'steps[2].critical'
    """
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return shown.removeprefix(".")
