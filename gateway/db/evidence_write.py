"""Writes one batch of findings in one transaction, the rows of each table in one order for every process.

So two processes never wait for each other for ever. Every time is the database's: a gateway whose clock jumps does no
harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, insert, literal_column, select, text, tuple_
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from gateway.db import evidence_tally as tallying
from gateway.db.evidence_room import CLUSTER_KEY, chunks, with_room
from gateway.db.evidence_tally import ClusterKey, Seen, Sighting, StratumKey, Tally
from gateway.db.tables import (
    COUNTS,
    EVIDENCE,
    exemplars,
    findings,
    mismatch_clusters,
    rule_hits,
    strata,
    verdict_minutes,
)

_NOW: Final = func.now()
_CLUSTER = mismatch_clusters.c

# All at once and at first: somebody who empties several tables at the same time waits, and is no deadlock's victim.
_ALL_TABLES: Final = text(f"LOCK TABLE {', '.join(str(each) for each in EVIDENCE)} IN ROW EXCLUSIVE MODE")

Row = dict[str, Any]


async def write(connection: AsyncConnection, tally: Tally) -> None:
    """Add a batch to the tables; the caller commits."""
    await connection.execute(_ALL_TABLES)
    sightings, seen = await with_room(connection, tally)
    await _add_minutes(connection, tally)
    await _add_hits(connection, tally)
    await _add_strata(connection, seen)
    await _add_clusters(connection, sightings)


async def _add_minutes(connection: AsyncConnection, tally: Tally) -> None:
    rows = [
        {"route": route, "revision": revision, **added.row()}
        for (route, revision), added in sorted(tally.minutes.items(), key=lambda item: item[0])
    ]
    await _upsert(connection, _adding_minutes(), rows)


# Statements are made once: to make one takes longer than to send it, and clients are served meanwhile.


@cache
def _adding_minutes() -> Insert:
    minute = func.date_trunc("minute", _NOW)
    adding = upsert(verdict_minutes).values(minute=minute)
    changed: dict[str, ColumnElement[Any]] = {
        name: verdict_minutes.c[name] + adding.excluded[name] for name in COUNTS
    } | {name: _sum_of(name) for name in ("control_ms", "candidate_ms")}
    return adding.on_conflict_do_update(constraint=verdict_minutes.primary_key, set_=changed)


def _sum_of(name: str) -> ColumnElement[Any]:
    """Two rows' counts, bucket by bucket."""
    both = f"unnest(gateway.verdict_minutes.{name}, excluded.{name}) WITH ORDINALITY AS bucket(a, b, n)"
    return literal_column(f"(SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n) FROM {both})")  # noqa: S608


async def _add_hits(connection: AsyncConnection, tally: Tally) -> None:
    rows = [{"route": route, "rule": rule, "hits": hits} for (route, rule), hits in sorted(tally.hits.items())]
    await _upsert(connection, _adding_hits(), rows)


@cache
def _adding_hits() -> Insert:
    adding = upsert(rule_hits).values(first_hit=_NOW, last_hit=_NOW)
    changed = {"hits": rule_hits.c.hits + adding.excluded.hits, "last_hit": _latest(rule_hits, "last_hit")}
    return adding.on_conflict_do_update(constraint=rule_hits.primary_key, set_=changed)


async def _add_strata(connection: AsyncConnection, seen: Mapping[StratumKey, Seen]) -> None:
    rows = [
        {
            "route": route,
            "revision": revision,
            "digest": tallying.digest(stratum),
            "stratum": asdict(stratum),
            "served": each.served,
            "compared": each.compared,
        }
        for (route, revision, stratum), each in seen.items()
    ]
    await _upsert(connection, _adding_strata(), rows)


@cache
def _adding_strata() -> Insert:
    adding = upsert(strata).values(first_seen=_NOW, last_seen=_NOW)
    changed: dict[str, ColumnElement[Any]] = {
        name: strata.c[name] + adding.excluded[name] for name in ("served", "compared")
    } | {"last_seen": _latest(strata, "last_seen")}
    return adding.on_conflict_do_update(constraint=strata.primary_key, set_=changed)


def _latest(table: Table, name: str) -> ColumnElement[Any]:
    return func.greatest(table.c[name], _NOW)


async def _upsert(connection: AsyncConnection, statement: Any, rows: Sequence[Row]) -> None:
    for some in chunks(rows):
        await connection.execute(statement, some)


@cache
def _adding_clusters() -> ReturningInsert[Any]:
    adding = upsert(mismatch_clusters).values(first_seen=_NOW, last_seen=_NOW)
    changed = {
        "seen": _CLUSTER.seen + adding.excluded.seen,
        "last_seen": _latest(mismatch_clusters, "last_seen"),
        "revision": adding.excluded.revision,
    }
    statement = adding.on_conflict_do_update(constraint="mismatch_clusters_one", set_=changed)
    return statement.returning(_CLUSTER.id, _CLUSTER.seen, *CLUSTER_KEY)


async def _add_clusters(connection: AsyncConnection, sightings: Mapping[ClusterKey, Sighting]) -> None:
    names = [each.name for each in CLUSTER_KEY]
    rows = [
        {**dict(zip(names, key, strict=True)), "seen": one.count, "revision": one.revision}
        for key, one in sightings.items()
    ]
    shown: dict[int, Sighting] = {}
    for some in chunks(rows):
        for row in await connection.execute(_adding_clusters(), some):
            sighting = sightings[tuple(row[2:])]
            # a cluster that has its examples gets one newer one for a batch: the others are seldom another story
            fresh = row.seen - sighting.count < tallying.EXAMPLES
            shown[row.id] = Sighting("", 0, sighting.examples if fresh else sighting.examples[-1:])
    await _add_examples(connection, shown)


async def _add_examples(connection: AsyncConnection, shown: Mapping[int, Sighting]) -> None:
    """Store the findings that stand as examples, each once, and let go of those they replace."""
    wanted = {id(found): found.opened() for sighting in shown.values() for found, _ in sighting.examples}
    if not wanted:
        return
    adding = insert(findings).values(stored_at=_NOW).returning(findings.c.id, sort_by_parameter_order=True)
    stored = await connection.execute(adding, [tallying.finding_row(finding) for finding in wanted.values()])
    ids = dict(zip(wanted, stored.scalars(), strict=True))
    examples = [
        tallying.exemplar_row(cluster, ids[id(found)], wanted[id(found)], spot)
        for cluster, sighting in sorted(shown.items())
        for found, spot in sighting.examples
    ]
    for some in chunks(examples):
        await connection.execute(insert(exemplars), some)
    await _trim(connection, list(shown))


async def _trim(connection: AsyncConnection, clusters: Sequence[int]) -> None:
    one = exemplars.c
    newest_first = func.row_number().over(partition_by=one.cluster, order_by=one.finding.desc())
    numbered = select(one.cluster, one.finding, newest_first.label("n")).where(one.cluster.in_(clusters)).subquery()
    past = select(numbered.c.cluster, numbered.c.finding).where(numbered.c.n > tallying.EXAMPLES)
    trimming = delete(exemplars).where(tuple_(one.cluster, one.finding).in_(past)).returning(one.finding)
    gone = await connection.execute(trimming)
    await let_go(connection, sorted({*gone.scalars()}))


async def let_go(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Delete those of the findings that are nobody's example any more."""
    for some in chunks(ids):
        is_example = select(exemplars.c.finding).where(exemplars.c.finding == findings.c.id).exists()
        await connection.execute(delete(findings).where(findings.c.id.in_(some), ~is_example))
