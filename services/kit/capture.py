"""What a rehearsal has written, row by row, as the triggers of migration 0002 tell it; bounded.

It knows the messages, not the tables. Several changes of one row become one: what was there first, what is last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.kit.guard import told as refused
from services.kit.rows import read, written

SQLSTATE: Final = "SG001"
MAX_CHANGES: Final = 128
MAX_BYTES: Final = 256 * 1024

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One row: `old` as it was found, `new` as it was left; both None for an insert that did not come about.

    `attempted` are the values of such an insert, else those of `new` or `old`: they say which row this is about.
    """

    table: str
    op: str  # insert, update, delete, attempt
    old: Values | None
    new: Values | None
    attempted: Values


class Capture:
    """Listens to one transaction."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._bytes = 0
        self.overflowed = False
        # updated, deleted, and inserted or nearly, by table: PostgreSQL counts an insert that is refused, too
        self.rows: Counter[str] = Counter()

    def hear(self, diagnostic: Any) -> None:
        """A notice of the connection's."""
        if diagnostic.sqlstate != SQLSTATE:
            return
        text = diagnostic.message_primary or ""
        self._bytes += len(text)
        self.overflowed = self.overflowed or self._bytes > MAX_BYTES or len(self._told) >= MAX_CHANGES
        if self.overflowed:
            return
        told = read(text)
        if told["op"] == "truncate":
            refused("empties a table")  # too late to refuse it, but the gateway knows the line
            return
        self._told.append(told)
        if told["op"] != "insert":  # its attempt was told before
            self.rows[told["table"]] += 1

    def changes(self, keys: Mapping[str, tuple[str, ...]]) -> list[Change]:
        """The net changes in the order of their rows' first; `keys` are the primary keys of the tables."""
        net: dict[tuple[str, str], Change] = {}
        for told in self._told:
            change = _change(told)
            key = keys.get(change.table, ())
            place = (change.table, _identity(change.attempted, key))
            merged = _merged(net.get(place), change)
            left = place if merged is None else (change.table, _identity(merged.new or merged.attempted, key))
            if merged is None or left != place:  # gone, or moved to another key, where its next change will find it
                net.pop(place, None)
            if merged is not None:
                net[left] = merged
        return list(net.values())

    @property
    def tables(self) -> frozenset[str]:
        """The tables that were written to, or nearly."""
        return frozenset(told["table"] for told in self._told)


def _change(told: dict[str, Any]) -> Change:
    old, new = told.get("old"), told.get("new")
    attempted: Values = old or new or {}
    if told["op"] == "attempt":
        return Change(told["table"], "attempt", None, None, attempted)
    return Change(told["table"], told["op"], old, new, attempted)


def _identity(values: Values, key: tuple[str, ...]) -> str:
    return written([values.get(name) for name in key] if key else values)


def _merged(first: Change | None, then: Change) -> Change | None:
    """Two changes of one row as one; None when nothing is left of them."""
    if first is None or first.op == "attempt":
        return then
    if then.op == "attempt":
        return first
    if then.op == "delete":
        return None if first.op == "insert" else Change(then.table, "delete", first.old, None, first.attempted)
    op = "update" if first.old is not None else "insert"
    return Change(then.table, op, first.old, then.new, first.attempted)
