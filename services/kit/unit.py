"""The unit of work: one transaction per request, committed before the first byte of the answer leaves.

When the ASGI scope carries the extension `strangler.run` without `"commit": True`, everything is rolled
back: that is how the gateway may ask this side about a write without doing it twice. A session that
reads and one that writes are different types, so that a reading endpoint cannot write by mistake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CompoundSelect, Insert, Row, Select, Update, text
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.types import Scope

from services.kit.auth import Caller
from services.kit.json import dumps
from services.kit.parts import parts_of

EXTENSION = "strangler.run"
_SET_CLAIMS = text("SELECT set_config('request.jwt.claims', :claims, true)")

Values = Mapping[str, Any]
AnyRow = Row[*tuple[Any, ...]]
Query = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]


class ReadSession:
    """Asks; the connection under it refuses to write."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, query: Query, values: Values | None = None) -> Sequence[AnyRow]:
        """Every row of a query."""
        return (await self._connection.execute(query, values)).fetchall()

    async def first(self, query: Query, values: Values | None = None) -> AnyRow | None:
        """The first row of a query, or None."""
        return (await self._connection.execute(query, values)).fetchone()


class WriteSession:
    """Changes rows inside the request's transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, statement: Insert, values: Values) -> AnyRow:
        """Insert one row of the given columns and return what the statement returns of it."""
        return (await self._connection.execute(statement, values)).one()

    async def change(self, statement: Update, values: Values) -> AnyRow | None:
        """Update at most one row and return what the statement returns of it."""
        return (await self._connection.execute(statement, values)).fetchone()


@asynccontextmanager
async def reading(request: Request, caller: Caller) -> AsyncIterator[ReadSession]:
    """A session for one query. `caller` is asked for so that nobody reads before the token is checked."""
    async with parts_of(request).database.readers.connect() as connection:
        yield ReadSession(connection)


@asynccontextmanager
async def writing(request: Request, caller: Caller) -> AsyncIterator[WriteSession]:
    """A transaction that knows its caller; it ends when the block does, and an exception rolls it back."""
    async with parts_of(request).database.writers.connect() as connection:
        if caller.claims is not None:  # SET LOCAL: gone with the transaction, whoever has the connection next
            await connection.execute(_SET_CLAIMS, {"claims": dumps(caller.claims).decode()})
        yield WriteSession(connection)
        if commits(request.scope):
            await connection.commit()
        else:
            await connection.rollback()


def commits(scope: Scope) -> bool:
    """Say whether the request's changes are to be kept; anything unclear about the extension means no."""
    run = (scope.get("extensions") or {}).get(EXTENSION)
    return run is None or (isinstance(run, dict) and run.get("commit") is True)
