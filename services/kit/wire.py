"""How a table's row looks on the wire: PostgreSQL prints every column as legacy's driver and Node do.

Numerics become strings with their scale, timestamps UTC with three decimals (truncated, as
postgres-date and `Date` do), an infinite one null; so no value is parsed here only to be printed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, DateTime, Label, Numeric, Table, Text, Uuid, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from services.kit.json import compact

WireRow = dict[str, Any]

# constants of the statement, not parameters that travel with every request
_UTC: ColumnElement[str] = literal_column("'UTC'")
_ISO_MILLISECONDS: ColumnElement[str] = literal_column('\'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\'')


class WireTable:
    """The columns to ask a table for, in its own order, and what makes a wire row of them."""

    def __init__(self, table: Table, *names: str) -> None:
        chosen = [table.c[name] for name in names] if names else list(table.c)
        self.columns = tuple(_printed(column) for column in chosen)
        self._names = tuple(str(column.name) for column in chosen)  # quoted_name is no str to orjson
        self._documents = tuple(index for index, column in enumerate(chosen) if isinstance(column.type, JSONB))

    def row(self, values: Sequence[Any]) -> WireRow:
        """Name the values of one row, given in the order of `columns`."""
        named = dict(zip(self._names, values, strict=True))
        for index in self._documents:
            text = values[index]
            if text is not None:
                named[self._names[index]] = orjson.Fragment(text if text == "{}" else compact(text))
        return named


def _printed(column: Column[Any]) -> Label[Any]:
    match column.type:
        case DateTime():
            printed = func.to_char(func.timezone(_UTC, column), _ISO_MILLISECONDS)
            return printed.label(column.name)
        case Numeric() | Uuid() | JSONB():
            return cast(column, Text).label(column.name)
        case _:
            return column.label(column.name)
