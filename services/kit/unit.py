"""The unit of work: one transaction per request, committed before the first byte of the answer leaves.

When the ASGI scope carries the extension `strangler.run` without `"commit": True`, everything is rolled back: that is
how the gateway may ask this side about a write without doing it twice. The gateway is told when a unit begins, when it
is about to commit and how it ended, so that it knows when legacy may still answer instead. A session that reads and one
that writes are different types, so that a reading endpoint cannot write by mistake.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CompoundSelect, Delete, Insert, Row, Select, Update, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.requests import Request
from starlette.types import Scope

from services.kit.auth import Caller
from services.kit.guard import permitted
from services.kit.json import dumps
from services.kit.parts import parts_of
from services.kit.rehearsal import rehearsing
from services.kit.run import Run, run_of
from services.kit.watches import own

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
    """Changes rows inside the request's transaction, and reads what it has changed."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, query: Query, values: Values | None = None) -> Sequence[AnyRow]:
        """Every row of a query, this transaction's own changes included."""
        return (await self._connection.execute(query, values)).fetchall()

    async def first(self, query: Query, values: Values | None = None) -> AnyRow | None:
        """The first row of a query, or None."""
        return (await self._connection.execute(query, values)).fetchone()

    async def add(self, statement: Insert, values: Values) -> AnyRow:
        """Insert one row of the given columns and return what the statement returns of it."""
        return (await self._connection.execute(statement, values)).one()

    async def change(self, statement: Update | Delete, values: Values) -> AnyRow | None:
        """Update or delete at most one row and return what the statement returns of it."""
        return (await self._connection.execute(statement, values)).fetchone()


@asynccontextmanager
async def reading(request: Request, caller: Caller) -> AsyncIterator[ReadSession]:
    """A session for one query. `caller` is asked for so that nobody reads before the token is checked."""
    with permitted():
        connection = await parts_of(request).database.readers.connect()
    try:
        own((await connection.get_raw_connection()).driver_connection)
        yield ReadSession(connection)
    finally:
        with permitted():
            await connection.close()


@asynccontextmanager
async def writing(request: Request, caller: Caller) -> AsyncIterator[WriteSession]:
    """A transaction that knows its caller; it ends when the block does, and an exception rolls it back."""
    run, database = run_of(request.scope), parts_of(request).database
    kept = _committing(database.writers, run) if run.commits else rehearsing(database.rehearsals, database.keys, run)
    async with kept as connection:
        if caller.claims is not None:  # SET LOCAL: gone with the transaction, whoever has the connection next
            await connection.execute(_SET_CLAIMS, {"claims": dumps(caller.claims).decode()})
        yield WriteSession(connection)


@asynccontextmanager
async def _committing(engine: AsyncEngine, run: Run) -> AsyncIterator[AsyncConnection]:
    """A connection whose work is committed when the block ends well."""
    run.tell({"type": "unit.begun"})
    committing = False
    try:
        async with engine.connect() as connection:
            yield connection
            committing = True
            run.tell({"type": "unit.committing"})
            await connection.commit()
    finally:
        run.tell({"type": "unit.ended" if committing else "unit.rolled_back"})


def commits(scope: Scope) -> bool:
    """Say whether the request's changes are to be kept; anything unclear about the extension means no."""
    return run_of(scope).commits
