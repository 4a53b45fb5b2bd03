"""The keeper on a real database: what only all processes together have seen."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.app.watch.keeper import Keeper, Stores
from gateway.app.watch.post import Post
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagStore
from gateway.db.leases import LeaseStore
from gateway.db.rollbacks import Exemplar, RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.proxy.ledger import Ledger
from gateway.rollout.breach import Seen
from gateway.rollout.flag import Change, Flag, Flipped
from gateway.rollout.stage import Stage
from gateway.routing.route import Terms
from gateway.shadow.finding import Finding
from tests.gateway.db.fixtures import database, engine, new_live, postgres, store

__all__ = ["database", "engine", "postgres", "store"]

MISMATCH = Mismatch(Kind.VALUE, "body/kg", "1", "2")
FINDING = Finding(
    route="lots.list",
    request_id="r1",
    at=datetime(2026, 11, 21, tzinfo=UTC),
    method="GET",
    target="/api/lots",
    stage="canary",
    flag_version=2,
    authoritative=Side.NEW,
    control_status=200,
    candidate_status=200,
    control_ms=1.0,
    candidate_ms=1.0,
    verdict=Verdict(Outcome.MISMATCHED, (MISMATCH,)),
)


async def in_canary(flags: FlagStore) -> Flag:
    """A route in canary, its flag at version 2."""
    await flags.change("lots.list", Change(Stage.SHADOW), by="a", expected=None)
    outcome = await flags.change("lots.list", Change(Stage.CANARY, 500), by="a", expected=None)
    assert isinstance(outcome, Flipped)
    return outcome.flag


@pytest.mark.parametrize("has_evidence", [True, False])
async def test_what_all_have_seen_takes_a_route_back_with_what_to_look_at(
    engine: AsyncEngine, store: FlagStore, has_evidence: bool
) -> None:
    """Three mismatches in each of many processes are few to one, and enough to all; evidence has the requests."""
    flag, rollbacks, evidence = await in_canary(store), RollbackStore(engine), EvidenceStore(engine)
    earlier = replace(FINDING, request_id="earlier", flag_version=1)
    await evidence.store([earlier, *(replace(FINDING, request_id=f"r{number}") for number in range(3))])
    for number in range(30):
        seen = Seen(answered=100, compared=10, mismatched=3, wrong=3)
        await rollbacks.tell(f"p{number}", {("lots.list", flag.version): seen})
    if not has_evidence:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("DROP TABLE gateway.findings")
    stores = Stores(store, LeaseStore(engine), rollbacks, RolloutStore(engine))

    async def judge(_: str) -> None:
        """No rollout asks the gate here."""

    keeper = asyncio.create_task(Keeper(new_live("lots.list"), stores, judge, None, "k", watches=True).run())
    async with asyncio.timeout(20):
        while not (found := await rollbacks.of("lots.list")):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    expected = [Exemplar(f"r{number}", "body/kg") for number in (2, 1, 0)] if has_evidence else []
    assert list(found[0].exemplars) == expected
    assert found[0].seen.affected == 90


def test_a_rescued_request_is_something_to_look_at() -> None:
    """It has failed on the new side, although its client never saw that."""
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), Terms(), Ledger(), (0, 0))
    status = Mismatch(Kind.STATUS, "status", "200", '"new_crashed"')
    post.heard(replace(FINDING, rescued=True, verdict=Verdict(Outcome.MISMATCHED, (status,))))
    assert post.exemplars == [Exemplar("r1", "status")]
