"""A unit of work that can only be rolled back (ADR 0016): its budget, its proof, and the look at what legacy then did.

The handler's work stands behind a savepoint. That is rolled back, with every lock, when the handler is done; the
snapshot before it is kept for those who listen, until they have looked or let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from secrets import token_hex
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.afterwards import HELD_MS, Afterwards, View
from services.kit.capture import Capture
from services.kit.guard import permitted, told
from services.kit.keys import KnownKeys
from services.kit.rights import CALLER, Rights
from services.kit.run import Run
from services.kit.told import told_of
from services.kit.watches import own

WAIT: Final = 0.5  # of the budget: so long for a connection, for there is no work without one
LOCK_S: Final = 0.05  # a hot row must not make everyone wait behind a rehearsal
_COUNTS: Final = """(SELECT coalesce(jsonb_object_agg(format('%I.%I', n.nspname, c.relname), changed.rows), '{}')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT
    pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
    + pg_stat_get_xact_tuples_deleted(c.oid) AS rows) AS changed
    WHERE c.relkind = 'r' AND changed.rows > 0 AND n.nspname <> 'strangler'
    AND (n.nspname <> 'pg_catalog' OR c.relname = 'pg_class'))"""  # where every change of the schema leaves a trace
_BEGIN = text(f"""SELECT {_COUNTS} AS counts, now() AS began,
    CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid) AS text) AS since,
    set_config('strangler.run', :nonce, true), set_config('lock_timeout', :lock_ms, true),
    set_config('statement_timeout', :statement_ms, true),
    set_config('idle_in_transaction_session_timeout', :held_ms, true)""")
_COUNT = text(f"SELECT {_COUNTS} AS counts, current_setting('strangler.run', true) AS nonce, {CALLER}")
_SAVEPOINT = text("SAVEPOINT strangler_run")
_SETTLE = text("SET CONSTRAINTS ALL IMMEDIATE")
# a session's advisory locks outlive a rollback, and legacy's write may be about to take the same
_UNDO = text("ROLLBACK TO SAVEPOINT strangler_run; SELECT pg_advisory_unlock_all()")
# who has waited for a subtransaction that was released waits for the whole transaction from then on, whatever is undone
_WAITED_FOR = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    " AND transactionid = CAST(pg_current_xact_id_if_assigned() AS xid))"
)
_END: Final = "ROLLBACK; SELECT pg_advisory_unlock_all()"
_GIVEN_UP: Final = {  # by SQLSTATE
    "55P03": "lock_timeout",
    "57014": "statement_timeout",
    "40001": "serialization",
    "40P01": "deadlock",
    "25001": "serialization",  # a handler that sets its own level of isolation: behind a savepoint nobody can
    "25006": "read_only",  # a standby, or a database that takes no writes for now
    "25P03": "unreachable",
    "25P04": "statement_timeout",
}
# by the class: connections, resources (disk, memory, connections), operators, the system
_OF_THE_SERVER: Final = {"08": "unreachable", "53": "no_resources", "57": "unreachable", "58": "unreachable"}


@asynccontextmanager
async def rehearsing(engine: AsyncEngine, known: KnownKeys, run: Run) -> AsyncIterator[AsyncConnection]:
    """A connection for one handler's work, none of which stays."""
    async with AsyncExitStack() as held:
        rehearsal = _Rehearsal(known, run)
        with permitted(), _telling(run):
            connection = await held.enter_async_context(_connected(engine, run))
            await rehearsal.begin(connection, held)
        try:
            yield connection
            with permitted():
                await rehearsal.settle()
        except Exception as error:
            with permitted(), _telling(run):
                await rehearsal.end(held, failed=error)
            raise
        with permitted(), _telling(run):
            await rehearsal.end(held)


@contextmanager
def _telling(run: Run) -> Iterator[None]:
    """Tell of an error that is the database's own: it says nothing about the handler."""
    try:
        yield
    except SQLAlchemyError as error:
        if (why := _given_up(error)) is not None:
            run.tell({"type": "unit.abandoned", "why": why})
        raise


@asynccontextmanager
async def _connected(engine: AsyncEngine, run: Run) -> AsyncIterator[AsyncConnection]:
    """A connection that is rolled back and given back by the kit, whoever lets go of it."""
    try:
        with permitted():
            async with asyncio.timeout(None if run.budget_s is None else run.budget_s * WAIT):
                connection = await engine.connect()
    except TimeoutError as error:
        run.tell({"type": "unit.abandoned", "why": "busy"})
        raise PoolExhausted("no connection is free for a rehearsal") from error
    try:
        yield connection
    finally:
        with permitted(), suppress(SQLAlchemyError):  # of a connection that is lost
            await connection.close()


class _Rehearsal:
    """One transaction from its beginning to the rollback of what the handler did."""

    def __init__(self, known: KnownKeys, run: Run) -> None:
        self._known, self._run = known, run
        self._nonce, self._capture = token_hex(8), Capture()
        self._before: Mapping[str, int] = {}
        self._rights = Rights()

    async def begin(self, connection: AsyncConnection, held: AsyncExitStack) -> None:
        """Set the budget and the nonce, and put a savepoint in front of the handler."""
        self._connection = connection
        driver: Any = (await connection.get_raw_connection()).driver_connection  # psycopg's
        self._driver = driver
        own(driver)
        driver.add_notice_handler(self._capture.hear)
        held.push_async_callback(_rolled_back, driver, self._capture)
        budget_s = self._run.budget_s
        begun = await connection.execute(
            _BEGIN,
            {
                "nonce": self._nonce,
                "lock_ms": _ms(None if budget_s is None else min(LOCK_S, budget_s)),
                "statement_ms": _ms(budget_s),
                "held_ms": HELD_MS,
            },
        )
        self._before, self._began, self._since = begun.one()[:3]
        await connection.execute(_SAVEPOINT)
        self._run.tell({"type": "unit.begun"})

    async def settle(self) -> None:
        """Check what COMMIT would: deferred constraints, and triggers that wait for the end."""
        if self._status is TransactionStatus.INTRANS:
            await self._connection.execute(_SETTLE)

    async def end(self, held: AsyncExitStack, failed: Exception | None = None) -> None:
        """Undo the handler's work, prove it, and hand over what it was."""
        is_lost = self._status is TransactionStatus.UNKNOWN  # and all that was done with it, whoever caught the error
        given_up = _given_up(failed) or ("unreachable" if is_lost else None)
        if given_up is not None:
            self._run.tell({"type": "unit.abandoned", "why": given_up})
        if is_lost:
            return
        # a handler may answer after an error of the database's that it has caught: COMMIT would then roll back
        would_commit = failed is None and self._status is not TransactionStatus.INERROR
        unseen = await self._undo(counted=would_commit)
        if given_up is not None or not self._run.listens:
            return
        if await self._connection.scalar(_WAITED_FOR):
            self._run.tell({"type": "unit.abandoned", "why": "waited_for"})
            return
        keys = await self._known.of(self._connection, self._capture.tables)
        changes = self._capture.changes({table: one.primary for table, one in keys.items()})
        afterwards = Afterwards(self._connection, changes, self._known, View(self._since, self._rights), held.pop_all())
        self._run.tell(
            {
                "type": "unit.rehearsed",
                "rows": told_of(changes, keys, self._began),
                "would_commit": would_commit,
                "unseen": unseen,
                "freeze": afterwards.freeze,
                "look": afterwards.look,
                "release": afterwards.release,
            }
        )

    @property
    def _status(self) -> TransactionStatus:
        """What PostgreSQL says of the transaction, whatever SQLAlchemy thinks of it."""
        return TransactionStatus(self._driver.info.transaction_status)

    async def _undo(self, *, counted: bool) -> list[str]:
        """Take the handler's work back; the tables whose changes were not all captured are returned.

        The nonce and the savepoint are this transaction's: where either is gone, the handler has ended it.
        """
        counts: Mapping[str, int] = {}
        proof = self._nonce
        try:
            if counted:
                found = (await self._connection.execute(_COUNT)).one()
                counts, proof, self._rights = found.counts, found.nonce, Rights(found.role, found.claims)
            await self._connection.execute(_UNDO)
        except SQLAlchemyError as error:
            if not counted or _given_up(error) is not None:
                raise  # the connection is gone, and with it the transaction
            raise told("ends its transaction itself") from error
        if proof != self._nonce:
            raise told("ends its transaction itself")
        captured = self._capture.rows
        unseen = [name for name in counts if counts[name] - self._before.get(name, 0) > captured[name]]
        return sorted([*unseen, "too many rows"] if self._capture.overflowed else unseen)


async def _rolled_back(driver: Any, capture: Capture) -> None:
    """End the transaction whatever SQLAlchemy thinks of it: to its mind a commit that was refused has ended it."""
    with permitted(), suppress(psycopg.Error):  # of a connection that is lost nothing stays either
        driver.remove_notice_handler(capture.hear)
        await driver.execute(_END)


def _given_up(error: BaseException | None) -> str | None:
    """Why PostgreSQL ended the work, where it was not the handler's doing."""
    while error is not None:
        cause = getattr(error, "orig", None)
        state = getattr(cause, "sqlstate", None) or ""
        why = _GIVEN_UP.get(state) or _OF_THE_SERVER.get(state[:2])
        if why is None and not state and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
            why = "unreachable"  # the driver has lost its connection, or got none
        if why is not None:
            return why
        error = error.__cause__ or error.__context__
    return None


def _ms(seconds: float | None) -> str:
    return "0" if seconds is None else f"{max(1, round(seconds * 1000))}ms"
