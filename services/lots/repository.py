"""Every statement about lots."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from services.kit.unit import ReadSession, WriteSession
from services.kit.wire import WireRow
from services.lots.tables import LOT, lots

# Legacy gives no second sort key: equal times come in the order PostgreSQL sorts them. One more key
# here would be a difference where there is none.
_NEWEST = select(*LOT.columns).order_by(lots.c.created_at.desc()).limit(100)
_ADD = insert(lots).returning(*LOT.columns)


async def newest(session: ReadSession) -> list[WireRow]:
    """At most 100 lots, newest first."""
    return [LOT.row(row) for row in await session.rows(_NEWEST)]


async def add(session: WriteSession, values: dict[str, Any]) -> WireRow:
    """Insert the given columns and return the whole row."""
    return LOT.row(await session.add(_ADD, values))
