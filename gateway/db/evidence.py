"""What comparisons found, kept: counts of verdicts by minute, and the newest findings worth looking into.

It stores and reads; what the evidence is worth is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db.engine import ask
from gateway.db.tables import mismatches, verdict_counts
from gateway.diff.verdict import Kind, Mismatch, Outcome
from gateway.message import Side
from gateway.rollout.evidence import RouteEvidence
from gateway.shadow.finding import Finding

KEPT = 1_000  # findings of a route and outcome
DIFFERENCES = 100  # of one finding; a body that differs everywhere says no more with its rest
TEXT = 4_096  # characters of a target or a value

_WORTH_LOOKING_INTO = (Outcome.MISMATCHED, Outcome.NOT_COMPARABLE)


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One finding as it was kept. An answer that could not be compared has no mismatches, but a reason."""

    id: int
    route: str
    request_id: str
    at: datetime
    method: str
    target: str
    stage: str
    flag_version: int
    authoritative: Side
    control_status: int | None
    candidate_status: int | None
    control_ms: float
    candidate_ms: float
    outcome: Outcome
    reason: str
    mismatches: tuple[Mismatch, ...]


class EvidenceStore:
    """The sink of findings, and what console and API read of them; a failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def store(self, findings: Sequence[Finding]) -> None:
        """Keep the findings in one transaction; the oldest of a route give way to the newest."""
        if findings:
            await ask(self._store(findings))

    async def mismatches(self, route: str, limit: int = 50) -> list[StoredFinding]:
        """The newest findings of a route that mismatched or could not be compared."""
        return await ask(self._mismatches(route, limit))

    async def summary(self, route: str, since_version: int = 0) -> dict[Outcome, int]:
        """How often each outcome was seen since a version of the route's flag."""
        return await ask(self._summary(route, since_version))

    async def for_gate(self, route: str, revision: str, since: datetime | None = None) -> RouteEvidence:
        """What was found of a route at this revision, since a moment of the database's clock if one is given."""
        del since
        seen = await self.summary(route)
        return RouteEvidence(
            route,
            revision,
            matched=seen.get(Outcome.MATCHED, 0),
            allowed=seen.get(Outcome.ALLOWED, 0),
            mismatched=seen.get(Outcome.MISMATCHED, 0),
            noise=seen.get(Outcome.NOISE, 0),
            not_comparable=seen.get(Outcome.NOT_COMPARABLE, 0),
        )

    async def _store(self, findings: Sequence[Finding]) -> None:
        kept = [_row(finding) for finding in findings if finding.verdict.outcome in _WORTH_LOOKING_INTO]
        async with self._engine.connect() as connection:
            await _count(connection, findings)
            if kept:
                await connection.execute(insert(mismatches), kept)
                for route, outcome in sorted({(str(row["route"]), str(row["outcome"])) for row in kept}):
                    await _trim(connection, route, outcome)
            await connection.commit()

    async def _mismatches(self, route: str, limit: int) -> list[StoredFinding]:
        wanted = select(mismatches).where(mismatches.c.route == route).order_by(mismatches.c.id.desc())
        async with self._engine.connect() as connection:
            return [_stored(row) for row in await connection.execute(wanted.limit(limit))]

    async def _summary(self, route: str, since_version: int) -> dict[Outcome, int]:
        counted = verdict_counts.c
        wanted = (
            select(counted.outcome, func.sum(counted.count).label("seen"))
            .where(counted.route == route, counted.flag_version >= since_version)
            .group_by(counted.outcome)
        )
        async with self._engine.connect() as connection:
            return {Outcome(row.outcome): int(row.seen) for row in await connection.execute(wanted)}


async def _count(connection: AsyncConnection, findings: Iterable[Finding]) -> None:
    counts = Counter(
        (each.route, each.flag_version, each.at.replace(second=0, microsecond=0), each.verdict.outcome.value)
        for each in findings
    )
    rows = [  # in one order for every process, so that two of them cannot wait for each other
        {"route": route, "flag_version": version, "minute": minute, "outcome": outcome, "count": count}
        for (route, version, minute, outcome), count in sorted(counts.items())
    ]
    adding = upsert(verdict_counts)
    total = verdict_counts.c.count + adding.excluded.count
    await connection.execute(
        adding.on_conflict_do_update(constraint=verdict_counts.primary_key, set_={"count": total}), rows
    )


async def _trim(connection: AsyncConnection, route: str, outcome: str) -> None:
    same = (mismatches.c.route == route, mismatches.c.outcome == outcome)
    oldest_kept = select(mismatches.c.id).where(*same).order_by(mismatches.c.id.desc()).offset(KEPT - 1).limit(1)
    await connection.execute(delete(mismatches).where(*same, mismatches.c.id < oldest_kept.scalar_subquery()))


def _row(finding: Finding) -> dict[str, object]:
    verdict = finding.verdict
    return {
        "route": finding.route,
        "flag_version": finding.flag_version,
        "stage": finding.stage,
        "request_id": _clean(finding.request_id),
        "at": finding.at,
        "method": _clean(finding.method),
        "target": _clean(finding.target),
        "authoritative": finding.authoritative.value,
        "control_status": finding.control_status,
        "candidate_status": finding.candidate_status,
        "control_ms": finding.control_ms,
        "candidate_ms": finding.candidate_ms,
        "outcome": verdict.outcome.value,
        "reason": _clean(verdict.reason),
        "differences": [_difference(mismatch) for mismatch in verdict.mismatches[:DIFFERENCES]],
    }


def _difference(mismatch: Mismatch) -> dict[str, str | None]:
    return {
        "kind": mismatch.kind.value,
        "where": _clean(mismatch.where),
        "control": None if mismatch.control is None else _clean(mismatch.control),
        "candidate": None if mismatch.candidate is None else _clean(mismatch.candidate),
    }


def _clean(text: str) -> str:
    """The text without what PostgreSQL cannot hold (NUL, lone surrogates): one odd answer must not lose a batch."""
    return text[:TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _stored(row: Row[tuple[object, ...]]) -> StoredFinding:
    found = tuple(
        Mismatch(Kind(each["kind"]), each["where"], each["control"], each["candidate"]) for each in row.differences
    )
    return StoredFinding(
        id=row.id,
        route=row.route,
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
        mismatches=found,
    )
