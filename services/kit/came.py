"""What has come into a table since a rehearsal, by whoever: where no key leads to legacy's row it is one of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.capture import Change, Values
from services.kit.keys import Keys
from services.kit.others import PAGES, at_the_end, escaped
from services.kit.rows import read

MOST: Final = 100  # rows; where more have come nobody can tell
CACHED: Final = 1_000  # numbers of a sequence that a session may have drawn long before (CREATE SEQUENCE ... CACHE)
_FITS: Final = text(
    f"SELECT pg_relation_size(CAST(:name AS regclass)) <= {PAGES} * CAST(current_setting('block_size') AS int)"
)
_SINCE: Final = "age(t.xmin) <= age(CAST(:since AS xid))"


async def came_since(
    connection: AsyncConnection, since: str, keys: Keys, rows: Sequence[Change]
) -> tuple[list[Values], bool]:
    """The rows that have come since into the table of these inserted ones, and whether they are all.

    By their numbers where a sequence draws them, for a row may lie anywhere in a table that others are deleted from.
    """
    name, values = escaped(rows[0].table), {"since": since}
    column, number = _number(keys, rows)
    if column is None:
        is_all = bool(await connection.scalar(_FITS, {"name": rows[0].table}))
        which = at_the_end(name)
    else:
        is_all, which = True, f"t.{column} > {number - CACHED}"
    query = f"SELECT CAST(to_jsonb(t.*) AS text) FROM {name} t WHERE {which} AND {_SINCE} LIMIT {MOST}"  # noqa: S608 - names of the catalog, and a number
    found = [read(row[0]) for row in await connection.execute(text(query), values)]
    return found, is_all and len(found) < MOST


def _number(keys: Keys, rows: Sequence[Change]) -> tuple[str | None, int]:
    """The column that a sequence numbers these rows in, quoted, and the first of their numbers."""
    if len(keys.primary) == 1 and keys.generated.issuperset(keys.primary):
        (name,) = keys.primary
        numbers: list[Any] = [(row.new or {}).get(name) for row in rows]
        if all(isinstance(number, int) for number in numbers):
            return escaped(f'"{name.replace(chr(34), chr(34) * 2)}"'), min(numbers)
    return None, 0
