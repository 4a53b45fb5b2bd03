"""The rows that legacy's transaction wrote and the rehearsal did not: told by who made or took them.

Which transaction was legacy's, a row says that both wrote, or one whose id only legacy's answer shows. What other
transactions wrote, legacy's own further ones among them, is nobody's to blame anybody for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import starmap, zip_longest
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.capture import Change
from services.kit.keys import KnownKeys, Version, version
from services.kit.rows import is_id, read

PAGES: Final = 256  # at a table's end: two megabytes are read in a few milliseconds
MOST: Final = 50  # rows
MAX_IDS: Final = 8  # of legacy's answer that are looked for

Row = Mapping[str, Any]
Versions = Sequence[Version | None]


def changes_between(before: Versions, after: Versions) -> int:
    """How often a row was changed between two snapshots, 2 for more than once, as far as its versions tell."""
    return max(starmap(_changes, zip_longest(before, after)), default=0)


def _changes(old: Version | None, new: Version | None) -> int:
    if old is None or new is None:
        return int(old is not new)
    if old.made_by == new.made_by:
        return 0
    return 1 if old.replaced_by == new.made_by else 2


class _Which(NamedTuple):
    """Rows by the transaction that made (`xmin`) or replaced them (`xmax`), and in how many pages to look for them."""

    by: str
    condition: str
    pages: int


_MADE: Final = _Which("xmin", "t.xmin = ANY(CAST(:xids AS xid[]))", PAGES)
# asked before it is known whose they are, so for every write; a multixact among them is nobody's transaction
_REPLACED: Final = _Which("xmax", "age(t.xmax) <= age(CAST(:since AS xid))", PAGES // 8)


class Others:
    """Asks once in the rehearsal's snapshot and once in one of now.

    `since` is the oldest transaction that the rehearsal's snapshot does not show.
    """

    def __init__(self, connection: AsyncConnection, keys: KnownKeys, since: str) -> None:
        self._connection, self._keys, self._since = connection, keys, since
        self._tables: Mapping[str, str | None] = {}
        self._replaced: list[tuple[str, str, Row]] = []

    async def before(self) -> None:
        """Look which rows somebody has replaced or taken since."""
        self._tables = await self._keys.captured(self._connection)
        replaced = await self._rows(_REPLACED, self._tables, since=self._since)
        self._replaced = [(table, by, read(row)) for table, by, row in replaced]

    async def after(
        self, changes: Sequence[Change], before: Sequence[Versions], after: Sequence[Versions], shown: Iterable[str]
    ) -> list[dict[str, Any]]:
        """What the transaction that wrote one of these rows, or one that only legacy's answer shows, wrote beside."""
        xids = set[str]()
        seen: list[tuple[str, Row]] = []
        for change, old, new in zip(changes, before, after, strict=True):
            here, there = [one for one in new if one is not None], [one for one in old if one is not None]
            seen += [(change.table, one.values) for one in (*here, *there)]
            if changes_between(old, new) == 1:
                xids |= {one.made_by for one in here} or {one.replaced_by for one in there}
        if not xids:
            xids = await self._makers([value for value in shown if is_id(value)][:MAX_IDS])
        if not xids:
            return []
        made = [(table, read(row)) for table, _, row in await self._rows(_MADE, self._tables, xids=sorted(xids))]
        beside = [
            {"table": table, "changes": 1, "row": row, "known": True} for table, row in made if (table, row) not in seen
        ]
        return beside + await self._gone(seen, xids)

    async def _gone(self, seen: Sequence[tuple[str, Row]], xids: Collection[str]) -> list[dict[str, Any]]:
        """The rows that legacy alone has taken away."""
        found: list[dict[str, Any]] = []
        taken = [(table, row) for table, by, row in self._replaced if by in xids and (table, row) not in seen]
        keys = await self._keys.of(self._connection, frozenset(table for table, _ in taken))
        for table, row in taken:
            primary = keys[table].primary
            if primary and await version(self._connection, table, primary, row) is None:
                found.append({"table": table, "changes": 1, "row": None, "old": row, "known": True})
        return found

    async def _makers(self, ids: Sequence[str]) -> set[str]:
        """Who has since made the rows whose primary key is one of these; only ids that nobody draws twice."""
        tables = self._tables.items() if ids else ()
        asked = " UNION ALL ".join(_makers_in(table, key) for table, key in tables if key is not None)
        values = {"ids": list(ids), "since": self._since}
        return {row[0] for row in await self._connection.execute(text(asked), values)} if asked else set()

    async def _rows(self, which: _Which, tables: Iterable[str], **values: Any) -> list[tuple[str, str, str]]:
        """Table, transaction and values of rows at the ends of these tables."""
        asked = " UNION ALL ".join(_rows_of(table, which) for table in tables)
        rows = await self._connection.execute(text(asked), values) if asked else ()
        return [(row[0], row[1], row[2]) for row in rows]


def _makers_in(table: str, key: str) -> str:
    name = escaped(key)
    return (
        f"SELECT CAST(t.xmin AS text) FROM {escaped(table)} t "  # noqa: S608 - the catalog's names
        f"WHERE t.{name} = ANY(CAST(:ids AS uuid[])) AND age(t.xmin) <= age(CAST(:since AS xid))"
    )


def at_the_end(name: str, pages: int = PAGES) -> str:
    """The condition on a row of `t` that it lies in the last pages of this table."""
    literal = name.replace("'", "''")
    first = f"pg_relation_size(CAST('{literal}' AS regclass)) / CAST(current_setting('block_size') AS int) - {pages}"
    return f"t.ctid >= (SELECT CAST(format('(%s,0)', greatest(0, {first})) AS tid))"


def _rows_of(table: str, which: _Which) -> str:
    name = escaped(table)
    literal = name.replace("'", "''")
    return (
        f"(SELECT '{literal}', CAST(t.{which.by} AS text), CAST(to_jsonb(t.*) AS text) FROM {name} t "  # noqa: S608 - as above
        f"WHERE {at_the_end(name, which.pages)} AND {which.condition} LIMIT {MOST})"
    )


def escaped(name: str) -> str:
    """A name of the catalog in a text of SQLAlchemy's."""
    return name.replace(":", "\\:")
