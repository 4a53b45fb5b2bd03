"""The rows that legacy's transaction wrote and the rehearsal did not: told by who made them.

Which transaction was legacy's, a row says that both wrote, or one whose id only legacy's answer shows. What other
transactions wrote, legacy's own further ones among them, is nobody's to blame anybody for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.keys import KnownKeys
from services.kit.rows import read

PAGES: Final = 256  # at a table's end: two megabytes are read in a few milliseconds
MOST: Final = 50  # rows
MAX_IDS: Final = 8  # of legacy's answer that are looked for

Row = Mapping[str, Any]


async def made_by(
    connection: AsyncConnection, keys: KnownKeys, xids: Collection[str], seen: Sequence[tuple[str, Row]]
) -> list[tuple[str, Row]]:
    """The rows of captured tables that these transactions made, without those that were `seen` already."""
    tables = await keys.captured(connection)
    if not xids or not tables:
        return []
    query = text(" UNION ALL ".join(map(_rows_of, tables)) + f" LIMIT {MOST}")
    rows = await connection.execute(query, {"xids": sorted(xids)})
    return [(table, values) for table, row in rows if (table, values := read(row)) not in seen]


async def shown_by(connection: AsyncConnection, keys: KnownKeys, values: Iterable[str]) -> dict[str, str]:
    """Who made the rows whose primary key is one of these ids, by the id; only ids that nobody draws twice."""
    ids = [value for value in values if _is_id(value)][:MAX_IDS]
    tables = await keys.captured(connection) if ids else {}
    asked = " UNION ALL ".join(_makers_in(table, key) for table, key in tables.items() if key is not None)
    rows = await connection.execute(text(asked), {"ids": ids}) if asked else ()
    return {row[0]: row[1] for row in rows}


def beyond(others: Sequence[tuple[str, Row]], unknown: Counter[str]) -> list[dict[str, Any]]:
    """What is left of others when each row of the new side's that nothing leads to has taken one of its table."""
    left = Counter(unknown)
    found: list[dict[str, Any]] = []
    for table, values in others:
        if left[table] > 0:
            left[table] -= 1
        else:
            found.append({"table": table, "changes": 1, "row": values, "known": True})
    return found


def _makers_in(table: str, key: str) -> str:
    name = _escaped(key)
    return (
        f"SELECT CAST(t.{name} AS text), CAST(t.xmin AS text) FROM {_escaped(table)} t "  # noqa: S608 - the catalog's names
        f"WHERE t.{name} = ANY(CAST(:ids AS uuid[]))"
    )


def _rows_of(table: str) -> str:
    name = _escaped(table)
    literal = name.replace("'", "''")
    first = f"pg_relation_size(CAST('{literal}' AS regclass)) / CAST(current_setting('block_size') AS int) - {PAGES}"
    return (
        f"(SELECT '{literal}', CAST(to_jsonb(t.*) AS text) FROM {name} t "  # noqa: S608 - the catalog's names
        f"WHERE t.ctid >= (SELECT CAST(format('(%s,0)', greatest(0, {first})) AS tid)) "
        "AND t.xmin = ANY(CAST(:xids AS xid[])))"
    )


def _escaped(name: str) -> str:
    """A name of the catalog in a text of SQLAlchemy's."""
    return name.replace(":", "\\:")


def _is_id(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False
