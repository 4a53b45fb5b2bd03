"""Reads the keys of one table with their types, and notes what is wrong; it knows no particular file."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gateway.contract.files import Problem
from gateway.contract.node import Items, Json, Node, Scalar, Table, plain

MAX_TEXT = 2_000  # characters of an ordinary text; bodies have no such limit


class Fields:
    """The keys of one table. Every reading method returns None after it has noted a problem."""

    def __init__(self, table: Table, *, file: str, problems: list[Problem]) -> None:
        self.table = table
        self.file = file
        self._problems = problems
        self._known: set[str] = set()

    def wrong(self, sentence: str, key: str | None = None) -> None:
        """Note a problem at a key, or at the table."""
        line = self.table.lines.get(key, self.table.line) if key else self.table.line
        self._problems.append(Problem(self.file, line, sentence))

    def line(self, key: str) -> int:
        """The line of a key, or of the table when the key is not there."""
        return self.table.lines.get(key, self.table.line)

    def node(self, key: str, *, required: bool = False) -> Node | None:
        """The value of a key, of any kind."""
        self._known.add(key)
        found = self.table.entries.get(key)
        if found is None and required:
            self.wrong(f"{key} is missing")
        return found

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not empty."""
        found = self.node(key, required=required)
        if found is None:
            return None
        if not isinstance(found, Scalar) or not isinstance(found.value, str) or not found.value.strip():
            self.wrong(f"{key} must be a text", key)
            return None
        if len(found.value) > MAX_TEXT:
            self.wrong(f"{key} is longer than {MAX_TEXT} characters", key)
            return None
        return found.value

    def choice(self, key: str, options: Iterable[str], *, required: bool = False) -> str | None:
        """One of the given words."""
        options = list(options)
        found = self.text(key, required=required)
        if found is not None and found not in options:
            self.wrong(f"{key} is {found!r}, it must be one of {', '.join(options)}", key)
            return None
        return found

    def number(self, key: str, *, low: float, high: float) -> float | None:
        """A number between two bounds, both allowed."""
        found = self.node(key)
        if found is None:
            return None
        value = found.value if isinstance(found, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.wrong(f"{key} must be a number from {low:g} to {high:g}", key)
            return None
        return float(value)

    def integer(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number between two bounds, both allowed."""
        found = self.node(key)
        if found is None:
            return None
        value = found.value if isinstance(found, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(f"{key} must be a whole number from {low} to {high}", key)
            return None
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        """One text, or a list of texts."""
        found = self.node(key)
        if found is None:
            return None
        nodes = found.items if isinstance(found, Items) else (found,)
        values = [node.value for node in nodes if isinstance(node, Scalar) and isinstance(node.value, str)]
        if len(values) != len(nodes) or not all(values):
            self.wrong(f"{key} must be a text or a list of texts", key)
            return None
        return tuple(values)

    def fields(self, key: str, *, required: bool = False) -> Fields | None:
        """A table inside this one."""
        found = self.node(key, required=required)
        if found is None:
            return None
        if not isinstance(found, Table):
            self.wrong(f"{key} must hold keys and values", key)
            return None
        return Fields(found, file=self.file, problems=self._problems)

    def rows(self, key: str) -> tuple[Fields, ...]:
        """A list of tables."""
        found = self.node(key)
        if found is None or (isinstance(found, Scalar) and found.value is None):
            return ()
        if not isinstance(found, Items) or not all(isinstance(item, Table) for item in found.items):
            self.wrong(f"{key} must be a list, each item with keys and values", key)
            return ()
        tables = (item for item in found.items if isinstance(item, Table))
        return tuple(Fields(table, file=self.file, problems=self._problems) for table in tables)

    def mapping(self, key: str) -> dict[str, str] | None:
        """A table of texts; numbers are taken as they are written."""
        inner = self.fields(key)
        if inner is None:
            return None
        values: dict[str, str] = {}
        for name, node in inner.table.entries.items():
            value = node.value if isinstance(node, Scalar) else None
            if value is None or isinstance(value, bool):
                inner.wrong(f"{name} must be a text", name)
            else:
                values[name] = str(value)
        return values

    def json(self, key: str) -> Json:
        """Any value; the key must be there."""
        self._known.add(key)
        return plain(self.table.entries[key])

    def has(self, key: str) -> bool:
        """Whether the key is there; it counts as known from now on."""
        self._known.add(key)
        return key in self.table.entries

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self.table.entries:
            if key not in self._known:
                near = get_close_matches(key, self._known, n=1)
                self.wrong(f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""), key)


def root(node: Node, *, file: str, problems: list[Problem]) -> Fields | None:
    """The fields of a file whose top must be a table."""
    if isinstance(node, Table):
        return Fields(node, file=file, problems=problems)
    problems.append(Problem(file, node.line, "the file must hold keys and values"))
    return None
