"""The store of evidence: takes findings in batches, and answers what people and the gate ask.

What is written and read how is in the modules `evidence_*` beside it; what it is worth is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db import evidence_read as reading
from gateway.db.engine import ask
from gateway.db.evidence_tally import Seen, Tally, tally
from gateway.db.evidence_values import Cluster, RuleHits, StoredFinding, StratumSeen, VerdictMinute
from gateway.db.evidence_write import write
from gateway.db.tables import evidence_key
from gateway.diff.verdict import Outcome
from gateway.rollout.evidence import RouteEvidence
from gateway.shadow.finding import Found
from gateway.shadow.redact import Keyed
from gateway.shadow.served import ServedKind

T = TypeVar("T")


class EvidenceStore:
    """The sink of findings, and what is read of them; a failure of the database is `DatabaseDown`.

    `mask` is what hides secrets in findings. Without a `key` it takes that of the installation, which the first one
    who needs it makes and the database keeps.
    """

    def __init__(self, engine: AsyncEngine, key: bytes | None = None) -> None:
        self._engine = engine
        self.mask = Keyed(key)
        self._has_key = key is not None

    async def store(self, findings: Sequence[Found]) -> None:
        """Keep the findings, in one transaction."""
        if not findings:
            return
        added = await tally(findings)

        async def work(connection: AsyncConnection) -> None:
            await write(connection, added)
            await connection.commit()

        await self.load_key()
        await self._ask(work)

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        """Count what legacy served and nobody compared."""
        added = Tally(strata={kind: Seen(served=served) for kind, served in kinds.items()})

        async def work(connection: AsyncConnection) -> None:
            await write(connection, added)
            await connection.commit()

        await self._ask(work)

    async def load_key(self) -> None:
        """Take the key of the installation, once; another one is made where there is none."""
        if not self._has_key:
            self.mask.key = await self._ask(self._key)
            self._has_key = True

    async def for_gate(self, route: str, revision: str, since: datetime | None = None) -> RouteEvidence:
        """What was found of a route at this revision, since a moment of the database's clock if one is given."""
        return await self._ask(reading.sums_of, route, revision, since)

    async def clusters(self, route: str, *, since: timedelta | None = None, limit: int = 50) -> list[Cluster]:
        """Where the two sides of a route were seen to differ, each place with its newest examples."""
        return await self._ask(lambda connection: reading.clusters_of(connection, route, since=since, limit=limit))

    async def mismatches(self, route: str, limit: int = 50) -> list[StoredFinding]:
        """The newest requests of a route that are kept: those that mismatched or could not be compared."""
        return await self._ask(reading.newest, route, limit)

    async def totals(self, route: str, revision: str | None = None) -> dict[str, int]:
        """What was counted of a route, of one revision or of all that are remembered."""
        return await self._ask(reading.totals_of, route, revision)

    async def summary(self, route: str) -> dict[Outcome, int]:
        """How often each outcome was seen, of those that were."""
        totals = await self.totals(route)
        return {outcome: totals[outcome] for outcome in Outcome if totals[outcome]}

    async def rule_hits(self, route: str) -> dict[str, RuleHits]:
        """How often each rule of a route allowed something, by the rules' ids."""
        return await self._ask(reading.hits_of, route)

    async def strata(self, route: str, revision: str) -> list[StratumSeen]:
        """Which kinds of request were seen of a revision."""
        return await self._ask(reading.strata_of, route, revision)

    async def minutes(self, route: str, limit: int = 60) -> list[VerdictMinute]:
        """The newest minutes in which something was compared."""
        return await self._ask(reading.minutes_of, route, limit)

    async def _key(self, connection: AsyncConnection) -> bytes:
        adding = upsert(evidence_key).values(id=1, key=self.mask.key).on_conflict_do_nothing()
        await connection.execute(adding)
        key: bytes = (await connection.execute(select(evidence_key.c.key))).scalar_one()
        await connection.commit()
        return key

    async def _ask(self, work: Callable[..., Awaitable[T]], *given: Any) -> T:
        async def conversation() -> T:
            async with self._engine.connect() as connection:
                return await work(connection, *given)

        return await ask(conversation())
