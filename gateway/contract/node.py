"""YAML into values that remember their line. It builds from parser events, so that nothing is constructed.

No tags, anchors, aliases, merge keys, second documents, repeated keys or deep nesting; plain scalars follow
the YAML 1.2 core schema (`no` is a text, a date is a text). It knows no file and no format of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

import yaml

from gateway.contract.files import Problem

MAX_DEPTH = 32
MAX_NODES = 20_000

Plain = str | int | float | bool | None
Json = Plain | list["Json"] | dict[str, "Json"]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WORDS: Mapping[str, Plain] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value."""

    value: Plain
    line: int


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with text keys; `lines` says where each key stands."""

    entries: Mapping[str, Node]
    lines: Mapping[str, int]
    line: int


Node = Scalar | Items | Table


class _Open:
    """A sequence or mapping whose end has not come yet."""

    __slots__ = ("entries", "is_table", "items", "key", "line", "lines")

    def __init__(self, line: int, *, is_table: bool) -> None:
        self.line = line
        self.is_table = is_table
        self.items: list[Node] = []
        self.entries: dict[str, Node] = {}
        self.lines: dict[str, int] = {}
        self.key: str | None = None

    def add(self, node: Node) -> str | None:
        """Put a node in its place; a sentence says why it may not stand there."""
        if not self.is_table:
            self.items.append(node)
            return None
        if self.key is not None:
            self.entries[self.key] = node
            self.key = None
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return "a key must be a text (put quotes around it)"
        if node.value == "<<":
            return "merge keys are not allowed"
        if node.value in self.lines:
            return f"the key {node.value!r} is already in line {self.lines[node.value]}"
        self.lines[node.value] = node.line
        self.key = node.value
        return None

    def close(self) -> Node:
        if self.is_table:
            return Table(self.entries, self.lines, self.line)
        return Items(tuple(self.items), self.line)


class _Tree:
    """Takes parser events one by one and keeps the finished root."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[_Open] = []
        self._documents = 0
        self._nodes = 0

    def take(self, event: yaml.Event) -> str | None:
        """Use one event; a sentence says why it is refused."""
        line = _line(event)
        match event:
            case yaml.AliasEvent():
                return "aliases are not allowed"
            case yaml.DocumentStartEvent():
                self._documents += 1
                return "only one document is allowed in a file" if self._documents > 1 else None
            case yaml.ScalarEvent():
                return self._refused(event) or self._scalar(event, line)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                refusal = self._refused(event)
                self._open.append(_Open(line, is_table=isinstance(event, yaml.MappingStartEvent)))
                return refusal
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                return self._place(self._open.pop().close())
        return None

    def _refused(self, event: yaml.NodeEvent) -> str | None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            return f"the file has more than {MAX_NODES} values"
        if len(self._open) >= MAX_DEPTH:
            return f"the file is nested deeper than {MAX_DEPTH} levels"
        if event.anchor is not None:
            return "anchors are not allowed"
        if getattr(event, "tag", None) is not None:
            return "tags are not allowed"
        return None

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> str | None:
        if _SURROGATE.search(event.value):
            return "half a surrogate pair is not a character"
        value = _resolve(event.value) if event.implicit[0] else event.value
        return self._place(Scalar(value, line))

    def _place(self, node: Node) -> str | None:
        if self._open:
            return self._open[-1].add(node)
        self.root = node
        return None


def parse(text: str, *, file: str) -> Node | Problem:
    """The one document of a text, or the first thing that is wrong with it."""
    tree = _Tree()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            refusal = tree.take(event)
            if refusal is not None:
                return Problem(file, _line(event), refusal)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return Problem(file, line, f"this is not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Problem(file, line, "the file holds a character that YAML does not allow")
    except (yaml.YAMLError, ValueError, OverflowError):  # the scanner on escapes such as "\\Uffffffff"
        return Problem(file, 0, "the file holds a character that YAML does not allow")
    return tree.root if tree.root is not None else Problem(file, 0, "the file is empty")


def _resolve(text: str) -> Plain:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def plain(node: Node) -> Json:
    """The node without its lines; the depth is bounded by `parse`."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(value) for key, value in node.entries.items()}
    assert_never(node)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
