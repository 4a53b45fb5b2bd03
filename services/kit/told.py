"""A rehearsal's rows as the gateway is told of them: what in them is the database's own doing, and who refers to whom.

It knows rows and keys, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.kit.capture import Change, Values
from services.kit.keys import Keys
from services.kit.rows import is_id

_DAY: Final = len("2026-11-21")

Reference = tuple[str, str]  # a table, and the column of it that a value was drawn for


def told_of(changes: Sequence[Change], keys: Mapping[str, Keys], began: datetime) -> list[dict[str, Any]]:
    """The rows in the words of docs/reference/new-side.md; `began` is when the transaction did, by its own clock."""
    moments = _forms(began)
    return [
        {
            "table": change.table,
            "op": change.op,
            "old": change.old,
            "new": change.new,
            "generated": sorted({*keys[change.table].generated, *_of_now(change.new or {}, moments)}),
            "refers": refers,
        }
        for change, refers in zip(changes, references(changes, keys), strict=True)
    ]


def references(changes: Sequence[Change], keys: Mapping[str, Keys]) -> list[dict[str, Reference]]:
    """For each row the columns that hold what the database drew for a row of these: by foreign keys, or a UUID."""
    drawn = {found: found[:2] for change in changes for found in drawn_for(change, keys[change.table])}
    ids = {value: reference for (_, _, value), reference in drawn.items() if is_id(value)}

    def of(change: Change) -> Iterator[tuple[str, Reference]]:
        for name, value in (change.new or {}).items():
            there = keys[change.table].refers.get(name)
            reference = drawn.get((*there, str(value))) if there is not None else None
            reference = reference or ids.get(str(value))
            if reference is not None and reference != (change.table, name):
                yield name, reference

    return [dict(of(change)) for change in changes]


def drawn_for(change: Change, keys: Keys) -> Iterator[tuple[str, str, str]]:
    """What the database drew for an inserted row: its table, the column, the value as text."""
    if change.op == "insert" and change.new is not None:
        for name in keys.generated:
            if change.new.get(name) is not None:
                yield change.table, name, str(change.new[name])


def _forms(began: datetime) -> frozenset[datetime]:
    """The moment of a transaction as columns hold it: to a microsecond or a millisecond, with a zone or without.

    What is written without a zone is the session's time or UTC. Whole seconds are too likely to be a client's.
    """
    rounded = began + timedelta(microseconds=500)
    exact = {began, *(at.replace(microsecond=at.microsecond // 1_000 * 1_000) for at in (began, rounded))}
    return frozenset({*exact, *(at.replace(tzinfo=None) for one in exact for at in (one, one.astimezone(UTC)))})


def _of_now(values: Values, moments: frozenset[datetime]) -> Iterator[str]:
    """The columns in which the moment of the transaction stands: `now()` of the statement's, or of a trigger's."""
    for name, value in values.items():
        if isinstance(value, str) and len(value) > _DAY and value[_DAY] == "T":
            try:
                if datetime.fromisoformat(value) in moments:
                    yield name
            except ValueError:
                continue
