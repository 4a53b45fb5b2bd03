"""How rows of a table are found again: its primary key and its other unique columns, from PostgreSQL's catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.rows import read, written

_OF_TABLE = text("""
    SELECT coalesce(jsonb_agg(DISTINCT columns) FILTER (WHERE is_primary), '[]') AS primary_keys,
           coalesce(jsonb_agg(DISTINCT columns) FILTER (WHERE NOT is_primary), '[]') AS others,
           (SELECT coalesce(jsonb_agg(a.attname), '[]') FROM pg_attribute a
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
               AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) ~ '[(]|^(CURRENT|LOCAL)_?TIME'))
           AS generated,
           (SELECT coalesce(jsonb_object_agg(a.attname, jsonb_build_array(format('%I.%I', n.nspname, c.relname),
                   b.attname)), '{}')
              FROM pg_constraint f
             CROSS JOIN unnest(f.conkey, f.confkey) AS pair(mine, theirs)
              JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = pair.mine
              JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = pair.theirs
              JOIN pg_class c ON c.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE f.conrelid = CAST(:name AS regclass) AND f.contype = 'f') AS refers
      FROM (SELECT i.indisprimary AS is_primary,
                   (SELECT jsonb_agg(a.attname ORDER BY k.place)
                      FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
                      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number) AS columns
              FROM pg_index i
             WHERE i.indrelid = CAST(:name AS regclass) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
           ) AS found
""")

_CAPTURED: Final = text("""
    SELECT format('%I.%I', n.nspname, c.relname),
           (SELECT format('%I', a.attname) FROM pg_index i
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1 AND a.atttypid = CAST('uuid' AS regtype))
      FROM pg_trigger t
      JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.tgname = 'zz_strangler_captured' AND c.relkind = 'r'
       AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class Keys:
    """`generated` are the columns the database fills by itself: ids, sequences, moments.

    `refers` names the table and the column that a column refers to by a foreign key.
    """

    primary: tuple[str, ...]
    others: tuple[tuple[str, ...], ...]
    generated: frozenset[str]
    refers: Mapping[str, tuple[str, str]]


class KnownKeys:
    """The keys of tables, asked once for each."""

    def __init__(self) -> None:
        self._known: dict[str, Keys] = {}
        self._captured: Mapping[str, str | None] | None = None

    def __getitem__(self, table: str) -> Keys:
        """The keys of a table that was asked for before."""
        return self._known[table]

    async def captured(self, connection: AsyncConnection) -> Mapping[str, str | None]:
        """The tables whose rows are captured and all shown, with the column that is their key if that is a UUID.

        All of it as SQL names it; asked once.
        """
        if self._captured is None:
            self._captured = {row[0]: row[1] for row in await connection.execute(_CAPTURED)}
        return self._captured

    async def of(self, connection: AsyncConnection, tables: frozenset[str]) -> Mapping[str, Keys]:
        """The keys of these tables, named as SQL names them."""
        for name in tables - self._known.keys():
            row = (await connection.execute(_OF_TABLE, {"name": name})).one()
            primary = tuple(row.primary_keys[0]) if row.primary_keys else ()
            refers = {column: (there[0], there[1]) for column, there in row.refers.items()}
            self._known[name] = Keys(primary, tuple(map(tuple, row.others)), frozenset(row.generated), refers)
        return self._known


@dataclass(frozen=True, slots=True)
class Version:
    """A row as one snapshot shows it: who made it, who has replaced it since, its values."""

    made_by: str
    replaced_by: str
    values: Mapping[str, Any]


def is_younger(transaction: str, other: str) -> bool:
    """Whether a transaction began to write after another; their numbers go round (32 bits)."""
    return 0 < (int(transaction) - int(other)) % 2**32 < 2**31


async def version(
    connection: AsyncConnection, table: str, columns: tuple[str, ...], values: Mapping[str, Any]
) -> Version | None:
    """The row with these values in these columns; None where there is none. Both names come from the catalog."""
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in columns]
    where = " AND ".join(f"t.{name} = k.{name}" for name in quoted)
    query = text(
        # t.* is the row, also in a table that has a column t
        f"SELECT t.xmin::text, t.xmax::text, to_jsonb(t.*)::text FROM {table} t, "  # noqa: S608 - names of the catalog
        f"jsonb_populate_record(NULL::{table}, CAST(:row AS jsonb)) k WHERE {where}"
    )
    row = (await connection.execute(query, {"row": written(dict(values))})).fetchone()
    return None if row is None else Version(row[0], row[1], read(row[2]))
