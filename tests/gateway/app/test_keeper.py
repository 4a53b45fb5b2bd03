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
from gateway.rollout.breach import Breached, Seen
from gateway.rollout.flag import Change, Flag, Flipped
from gateway.rollout.stage import Stage
from gateway.shadow.finding import Finding
from tests.gateway.db.fixtures import database, engine, new_live, postgres, store
from tests.gateway.proxy.harness import route

__all__ = ["database", "engine", "postgres", "store"]

READ = route("lots.list", "GET /api/lots")
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
    assert found[0].affected == 90


def test_a_rescued_request_is_something_to_look_at() -> None:
    """It has failed on the new side, although its client never saw that."""
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), READ, Ledger(), (0, 0))
    status = Mismatch(Kind.STATUS, "status", "200", '"new_crashed"')
    post.heard(replace(FINDING, rescued=True, verdict=Verdict(Outcome.MISMATCHED, (status,))))
    assert post.exemplars == [Exemplar("r1", "status")]


def test_an_answer_that_nobody_can_read_went_wrong_for_whoever_had_it() -> None:
    """It is not comparable, and no draw: where legacy's can be read, the new side is taken back for it."""
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), READ, Ledger(), (0, 0))
    reason = "new: the body is not JSON: Expecting value at character 7"
    broken = Verdict(Outcome.NOT_COMPARABLE, reason=reason, broken=True)
    for side in (*[Side.NEW] * 4, *[Side.LEGACY] * 2):
        post.heard(replace(FINDING, authoritative=side, verdict=broken))
    post.heard(replace(FINDING, verdict=Verdict(Outcome.NOT_COMPARABLE, reason="legacy: the body is not JSON")))
    breach = post.look()
    assert breach is not None
    assert (breach.what, breach.affected, breach.seen.compared) == (Breached.MISMATCHES, 4, 6)
    assert post.exemplars[0].place == reason


def test_each_affected_request_counts_once_whatever_went_wrong_with_it() -> None:
    """Of twelve late ones four failed, three were wrong and two were rescued; two good ones were wrong as well."""
    ledger = Ledger()
    for _ in range(200):
        ledger.ended("lots.list", Stage.SHADOW, "legacy", 200, 0.004)
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), READ, ledger, (0, 0))
    assert post.look() is None
    for status, seconds, count in ((200, 0.3, 8), (503, 0.3, 4), (503, 0.01, 1), (200, 0.01, 7)):
        for _ in range(count):
            ledger.ended("lots.list", Stage.CANARY, "new", status, seconds)
    post.look()
    wrong = replace(FINDING, authoritative=Side.NEW)
    for each in (*[replace(wrong, candidate_ms=300.0)] * 3, *[replace(wrong, candidate_ms=10.0)] * 2):
        post.heard(each)
    for _ in range(2):
        post.heard(replace(FINDING, rescued=True, verdict=Verdict(Outcome.MISMATCHED)))
    post.look()
    seen = post.watch.total
    assert (seen.answered, seen.slow, seen.failed, seen.rescued, seen.wrong) == (20, 12, 7, 2, 5)
    assert seen.affected(Breached.ERRORS) == 5 + 5
    assert seen.affected(Breached.LATENCY) == 5 + 5 + (12 - 4 - 3)


def test_requests_that_were_slow_before_that_could_be_known_are_told() -> None:
    """The limit was too large while little was known of legacy; whoever waited longer than the right one was hit."""
    ledger = Ledger()
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), READ, ledger, (0, 0))
    for side, seconds, count in (("legacy", 0.3, 5), ("new", 0.2, 20), ("legacy", 0.004, 400)):
        for _ in range(count):
            ledger.ended("lots.list", Stage.CANARY, side, 200, seconds)
        assert post.look() is None
    for _ in range(10):
        ledger.ended("lots.list", Stage.CANARY, "new", 200, 0.2)
    post.look()
    ledger.ended("lots.list", Stage.CANARY, "new", 503, 0.2)
    breach = post.look()
    assert breach is not None
    assert (breach.what, breach.seen.slow, breach.seen.answered, breach.affected) == (Breached.LATENCY, 31, 31, 31)


def test_a_process_that_stood_still_blames_nobody_for_it() -> None:
    """All that was under way took long, and is told; it makes no breach, in the next look it does."""
    ledger = Ledger()
    for _ in range(200):
        ledger.ended("lots.list", Stage.SHADOW, "legacy", 200, 0.004)
    post = Post.at(Flag("lots.list", Stage.CANARY, 500, version=2), READ, ledger, (0, 0))
    for paused in (True, False):
        for _ in range(30):
            ledger.ended("lots.list", Stage.CANARY, "new", 200, 2.0)
        breach = post.look(paused=paused)
        assert (breach is None) is paused
    assert post.watch.total.slow == 60
