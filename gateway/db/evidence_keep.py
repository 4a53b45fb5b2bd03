"""Keeps the evidence within its days and bytes: a little at a time, the oldest first, one gateway of all at once.

It brings back a table that somebody has dropped, too: evidence is worth less than the requests it is about, and must
not want anybody's attention. It decides nothing about what is new.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, delete, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db.engine import DatabaseDown, ask
from gateway.db.evidence_write import let_go
from gateway.db.tables import EVIDENCE, exemplars, findings, mismatch_clusters, rule_hits, strata, verdict_minutes
from gateway.telemetry import log

MEND_S: Final = 5.0
ROUNDS: Final = 12  # of mending, after which everything is looked after
BATCH: Final = 500  # rows that one transaction deletes: whoever stores waits no longer than for that
SOME: Final = 50  # rows that one transaction deletes for their size: not many more than have to go
MOST: Final = 200  # transactions of one round; what is left is for the next one

# Rough bytes of a row with its index entries. Findings know their own size.
ROW_BYTES: Final = {verdict_minutes.name: 1_024, mismatch_clusters.name: 512, strata.name: 512}

_TURN: Final = 0x5347_4B50  # "SGKP": held by whoever is at it


@dataclass(frozen=True, slots=True)
class Bounds:
    """What evidence may take: days, bytes of one route, bytes of all."""

    days: int = 30
    route_bytes: int = 16 * 1024 * 1024
    all_bytes: int = 256 * 1024 * 1024


class Keeper:
    """Looks after the evidence in the background."""

    def __init__(self, engine: AsyncEngine, bounds: Bounds) -> None:
        self._engine = engine
        self._bounds = bounds

    async def run(self) -> None:
        """Look after it for ever; a database that is down is looked after later."""
        for number in count():
            try:
                await (self.mend() if number % ROUNDS else self.look_after())
            except DatabaseDown as down:
                log("evidence_not_kept", level=logging.WARNING, why=str(down))
            except Exception as bug:  # noqa: BLE001 - evidence that grows is better than a gateway that ends
                log("evidence_not_kept", level=logging.ERROR, bug=bug)
            await asyncio.sleep(MEND_S)

    async def look_after(self) -> None:
        """One round: nothing older, nothing larger than allowed."""
        await self.mend()
        gone = 0
        for step in (*_OLD, self._of_routes, self._of_all):
            for _ in range(MOST):
                deleted = await ask(self._turn(step))
                gone += deleted
                if not deleted:
                    break
        if gone:
            log("evidence_deleted", rows=gone)

    async def mend(self) -> None:
        """Make anew what somebody has dropped; until then evidence is dropped too, and counted."""
        await ask(self._mend())

    async def _mend(self) -> None:
        async with self._engine.begin() as connection:
            if await connection.scalar(select(func.pg_try_advisory_xact_lock(_TURN))):
                await connection.run_sync(_create_missing)

    async def _turn(self, step: Any) -> int:
        """One transaction of a step: how many rows it has deleted, 0 too while another gateway is at it."""
        async with self._engine.begin() as connection:
            if not await connection.scalar(select(func.pg_try_advisory_xact_lock(_TURN))):
                return 0
            deleted: int = await step(connection, self._bounds)
        return deleted

    async def _of_routes(self, connection: AsyncConnection, bounds: Bounds) -> int:
        """Some rows of the routes that have too much."""
        held = await _held(connection)
        return sum([await _oldest(connection, route) for route in held if held[route] > bounds.route_bytes])

    async def _of_all(self, connection: AsyncConnection, bounds: Bounds) -> int:
        """Some rows of the route that has most, while there is too much in all."""
        held = await _held(connection)
        if sum(held.values()) <= bounds.all_bytes:
            return 0
        return await _oldest(connection, max(held, key=lambda route: held[route]))


def _create_missing(connection: Any) -> None:
    missing = [table for table in EVIDENCE if not connection.dialect.has_table(connection, table.name, table.schema)]
    if missing and connection.dialect.has_schema(connection, EVIDENCE[0].schema):
        log("evidence_tables_missing", level=logging.WARNING, tables=[table.name for table in missing])
        EVIDENCE[0].metadata.create_all(connection, tables=missing)


async def _held(connection: AsyncConnection) -> dict[str, int]:
    """Bytes of evidence by route, roughly."""
    held: dict[str, int] = {}
    rows = await connection.execute(select(findings.c.route, func.sum(findings.c.size)).group_by(findings.c.route))
    for route, size in rows:
        held[route] = held.get(route, 0) + int(size)
    for table in (verdict_minutes, mismatch_clusters, strata):
        counted = select(table.c.route, func.count()).group_by(table.c.route)
        for route, number in await connection.execute(counted):
            held[route] = held.get(route, 0) + number * ROW_BYTES[table.name]
    return held


async def _oldest(connection: AsyncConnection, route: str) -> int:
    """Delete the oldest of a route's examples, or where there are none its oldest minutes, then the rest."""
    oldest = select(findings.c.id).where(findings.c.route == route).order_by(findings.c.id).limit(SOME)
    ids = list((await connection.execute(oldest)).scalars())
    if ids:
        await connection.execute(delete(exemplars).where(exemplars.c.finding.in_(ids)))
        await let_go(connection, ids)
        return len(ids)
    for table, age in ((verdict_minutes, "minute"), (strata, "last_seen"), (mismatch_clusters, "last_seen")):
        if deleted := await _delete(connection, table, table.c.route == route, oldest=table.c[age]):
            return deleted
    return 0


async def _delete(
    connection: AsyncConnection, table: Table, where: ColumnElement[bool], *, oldest: Column[Any] | None = None
) -> int:
    """Delete a batch of rows, or some of the oldest; rows that somebody else is writing are left for another time."""
    key = tuple(table.primary_key.columns)
    some = select(*key).where(where).limit(BATCH).with_for_update(skip_locked=True)
    if oldest is not None:
        some = some.order_by(oldest).limit(SOME)
    # a CTE, so that it is looked up once: PostgreSQL may ask a subquery again, and then for other rows
    picked = some.cte("picked").prefix_with("MATERIALIZED")
    gone = await connection.execute(delete(table).where(tuple_(*key).in_(select(*picked.c))))
    return gone.rowcount


def _older_than(column: Column[Any], bounds: Bounds) -> ColumnElement[bool]:
    return column < func.now() - literal(timedelta(days=bounds.days))


async def _old_minutes(connection: AsyncConnection, bounds: Bounds) -> int:
    return await _delete(connection, verdict_minutes, _older_than(verdict_minutes.c.minute, bounds))


async def _old_strata(connection: AsyncConnection, bounds: Bounds) -> int:
    return await _delete(connection, strata, _older_than(strata.c.last_seen, bounds))


async def _old_hits(connection: AsyncConnection, bounds: Bounds) -> int:
    return await _delete(connection, rule_hits, _older_than(rule_hits.c.last_hit, bounds))


async def _old_clusters(connection: AsyncConnection, bounds: Bounds) -> int:
    return await _delete(connection, mismatch_clusters, _older_than(mismatch_clusters.c.last_seen, bounds))


async def _old_examples(connection: AsyncConnection, bounds: Bounds) -> int:
    """Examples that are old, or whose cluster or finding has gone."""
    has_cluster = select(mismatch_clusters.c.id).where(mismatch_clusters.c.id == exemplars.c.cluster).exists()
    kept = select(findings.c.id).where(findings.c.id == exemplars.c.finding, ~_older_than(findings.c.stored_at, bounds))
    return await _delete(connection, exemplars, ~has_cluster | ~kept.exists())


async def _old_findings(connection: AsyncConnection, bounds: Bounds) -> int:
    """Findings that are nobody's example; the old ones are none by now."""
    del bounds
    is_example = select(exemplars.c.finding).where(exemplars.c.finding == findings.c.id).exists()
    return await _delete(connection, findings, ~is_example)


_OLD: Final = (_old_minutes, _old_strata, _old_hits, _old_clusters, _old_examples, _old_findings)
