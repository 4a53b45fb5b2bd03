"""What is read of the evidence: for people clusters with examples, for the gate sums. It writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Row, Select, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.db.evidence_values import Cluster, Exemplar, RuleHits, StoredFinding, StratumSeen, VerdictMinute
from gateway.db.tables import COUNTS, exemplars, findings, mismatch_clusters, rule_hits, strata, verdict_minutes
from gateway.diff.verdict import Kind, Mismatch, Outcome
from gateway.message import Side
from gateway.rollout.evidence import Histogram, RouteEvidence, Stratum
from gateway.shadow.finding import AskedRequest

_GATES: Final = tuple(name for name in COUNTS if name != "rescued")
_TIMES: Final = ("control_ms", "candidate_ms")
_RANKS: Final = (Outcome.MISMATCHED, Outcome.NOT_COMPARABLE, Outcome.NOISE)


async def clusters_of(connection: AsyncConnection, route: str, *, since: timedelta | None, limit: int) -> list[Cluster]:
    """The clusters of a route, mismatches first, the most frequent of each first; `since`: seen within that time."""
    one = mismatch_clusters.c
    rank = func.array_position(cast([*map(str, _RANKS)], ARRAY(one.outcome.type)), one.outcome)
    wanted = select(mismatch_clusters).where(one.route == route).order_by(rank, one.seen.desc(), one.id).limit(limit)
    if since is not None:
        wanted = wanted.where(one.last_seen > func.now() - since)
    rows = (await connection.execute(wanted)).all()
    examples = await _examples(connection, [row.id for row in rows])
    return [_cluster(row, examples.get(row.id, [])) for row in rows]


async def _examples(connection: AsyncConnection, clusters: Sequence[int]) -> dict[int, list[Exemplar]]:
    """The examples of clusters, the newest first."""
    one = exemplars.c
    wanted = (
        select(findings, one.cluster, one.where, one.control.label("control"), one.candidate.label("candidate"))
        .join(exemplars, one.finding == findings.c.id)
        .where(one.cluster.in_(clusters))
        .order_by(findings.c.id.desc())
    )
    found: dict[int, list[Exemplar]] = {}
    for row in await connection.execute(wanted):
        exemplar = Exemplar(stored(row), row.where, row.control, row.candidate)
        found.setdefault(row.cluster, []).append(exemplar)
    return found


async def newest(connection: AsyncConnection, route: str, limit: int) -> list[StoredFinding]:
    """The newest requests that are kept of a route."""
    wanted = select(findings).where(findings.c.route == route).order_by(findings.c.id.desc()).limit(limit)
    return [stored(row) for row in await connection.execute(wanted)]


async def hits_of(connection: AsyncConnection, route: str) -> dict[str, RuleHits]:
    """The hits of a route's rules, by the rules' ids."""
    rows = await connection.execute(select(rule_hits).where(rule_hits.c.route == route))
    return {row.rule: RuleHits(row.hits, row.first_hit, row.last_hit) for row in rows}


async def strata_of(connection: AsyncConnection, route: str, revision: str) -> list[StratumSeen]:
    """The strata of a revision."""
    one = strata.c
    wanted = select(strata).where(one.route == route, one.revision == revision).order_by(one.served.desc(), one.digest)
    return [
        StratumSeen(_stratum(row.stratum), row.served, row.compared, row.last_seen)
        for row in await connection.execute(wanted)
    ]


async def minutes_of(connection: AsyncConnection, route: str, limit: int) -> list[VerdictMinute]:
    """The newest minutes of a route."""
    one = verdict_minutes.c
    wanted = select(verdict_minutes).where(one.route == route).order_by(one.minute.desc(), one.revision).limit(limit)
    return [
        VerdictMinute(
            row.minute,
            row.revision,
            {name: int(getattr(row, name)) for name in COUNTS},
            _histogram(row.control_ms),
            _histogram(row.candidate_ms),
        )
        for row in await connection.execute(wanted)
    ]


async def sums_of(connection: AsyncConnection, route: str, revision: str, since: datetime | None) -> RouteEvidence:
    """Everything that was found of a revision since a moment of the database's clock, but for the minute it is in."""
    one = verdict_minutes.c
    where: list[ColumnElement[bool]] = [one.route == route, one.revision == revision]
    if since is not None:
        # what went wrong in that minute would be held against what comes after it for good
        where.append(one.minute > func.date_trunc("minute", literal(since)))
    added = select(func.min(one.minute).label("begun"), *(func.sum(one[name]).label(name) for name in _GATES))
    row = (await connection.execute(added.where(*where))).one()
    counts: dict[str, Any] = {name: int(getattr(row, name) or 0) for name in _GATES}
    times: dict[str, Any] = {name: await _times(connection, name, where) for name in _TIMES}
    seen = await strata_of(connection, route, revision)
    return RouteEvidence(
        route,
        revision,
        row.begun,
        **counts,
        **times,
        served=frozenset(each.stratum for each in seen),
        compared=frozenset(each.stratum for each in seen if each.compared),
    )


async def totals_of(connection: AsyncConnection, route: str, revision: str | None) -> dict[str, int]:
    """How often each thing was counted that is counted, of one revision or (None) of all."""
    one = verdict_minutes.c
    wanted = select(*(func.sum(one[name]).label(name) for name in COUNTS)).where(one.route == route)
    if revision is not None:
        wanted = wanted.where(one.revision == revision)
    row = (await connection.execute(wanted)).one()
    return {name: int(getattr(row, name) or 0) for name in COUNTS}


async def _times(connection: AsyncConnection, name: str, where: Sequence[ColumnElement[bool]]) -> Histogram:
    """The sum of histograms, bucket by bucket."""
    each = func.unnest(verdict_minutes.c[name]).table_valued("took", with_ordinality="n").render_derived()
    wanted: Select[Any] = (
        select(each.c.n, cast(func.sum(each.c.took), BigInteger).label("took"))
        .select_from(verdict_minutes)
        .join(each, literal(True))
        .where(*where)
        .group_by(each.c.n)
        .order_by(each.c.n)
    )
    return _histogram([row.took for row in await connection.execute(wanted)])


def _histogram(counts: Sequence[int]) -> Histogram:
    return Histogram(tuple(counts)) if counts else Histogram()


def _stratum(said: dict[str, Any]) -> Stratum:
    keys = {name: tuple(said[name]) for name in ("query_keys", "body_keys")}
    return Stratum(**{**said, **keys})


def _cluster(row: Row[Any], examples: Sequence[Exemplar]) -> Cluster:
    return Cluster(
        id=row.id,
        outcome=Outcome(row.outcome),
        place=row.place,
        kind=row.kind,
        count=row.seen,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        revision=row.revision,
        exemplars=tuple(examples),
    )


def stored(row: Row[Any]) -> StoredFinding:
    """A row of `findings`."""
    request = None
    if row.request is not None:
        headers = tuple((name, value) for name, value in row.request["headers"])
        request = AskedRequest(headers, row.request["body"], row.request["left_out"], row.request["role"])
    return StoredFinding(
        id=row.id,
        route=row.route,
        revision=row.revision,
        request_id=row.request_id,
        at=row.at,
        method=row.method,
        target=row.target,
        stage=row.stage,
        flag_version=row.flag_version,
        authoritative=Side(row.authoritative),
        control_status=row.control_status,
        candidate_status=row.candidate_status,
        control_ms=row.control_ms,
        candidate_ms=row.candidate_ms,
        outcome=Outcome(row.outcome),
        reason=row.reason,
        rescued=row.rescued,
        mismatches=tuple(
            Mismatch(Kind(each["kind"]), each["where"], each["control"], each["candidate"]) for each in row.differences
        ),
        request=request,
    )
