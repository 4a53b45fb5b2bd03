"""Evidence: counted by minute, kept newest first, bounded, and never lost to one odd answer."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db import evidence
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.evidence import EvidenceStore
from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.shadow.finding import Finding

ROUTE = "lots.list"
AT = datetime(2026, 7, 1, 12, 30, 45, tzinfo=UTC)
MISMATCH = Mismatch(Kind.VALUE, "body/0/weight_kg", '"12.5"', "12.5")


@pytest.fixture
def store(engine: AsyncEngine) -> EvidenceStore:
    return EvidenceStore(engine)


def finding(outcome: Outcome = Outcome.MISMATCHED, **more: object) -> Finding:
    mismatches = (MISMATCH,) if outcome is Outcome.MISMATCHED else ()
    one = Finding(
        route=ROUTE,
        request_id="r1",
        at=AT,
        method="GET",
        target="/api/lots?page=1",
        stage="shadow",
        flag_version=3,
        authoritative=Side.LEGACY,
        control_status=200,
        candidate_status=200,
        control_ms=1.5,
        candidate_ms=2.5,
        verdict=Verdict(outcome, mismatches),
    )
    return replace(one, **more)  # type: ignore[arg-type] # test data


async def test_mismatch_comes_back_with_everything_needed_to_look_into_it(store: EvidenceStore) -> None:
    """A stored mismatch has its request, both statuses and times, and both values where they differ."""
    await store.store([finding()])
    (found,) = await store.mismatches(ROUTE)
    assert (found.request_id, found.at, found.method, found.target) == ("r1", AT, "GET", "/api/lots?page=1")
    assert (found.control_status, found.candidate_status, found.control_ms, found.candidate_ms) == (200, 200, 1.5, 2.5)
    assert (found.stage, found.flag_version, found.authoritative) == ("shadow", 3, Side.LEGACY)
    assert (found.outcome, found.mismatches) == (Outcome.MISMATCHED, (MISMATCH,))


async def test_outcomes_are_counted_apart_and_only_two_are_kept_whole(store: EvidenceStore) -> None:
    """Every outcome is counted under its own name; matched, allowed and noisy answers leave only a count."""
    await store.store([finding(outcome) for outcome in Outcome] + [finding(Outcome.MATCHED)])
    assert await store.summary(ROUTE) == {
        Outcome.MATCHED: 2,
        Outcome.ALLOWED: 1,
        Outcome.MISMATCHED: 1,
        Outcome.NOISE: 1,
        Outcome.NOT_COMPARABLE: 1,
    }
    assert [each.outcome for each in await store.mismatches(ROUTE)] == [Outcome.NOT_COMPARABLE, Outcome.MISMATCHED]


async def test_summary_begins_at_a_flag_version(store: EvidenceStore) -> None:
    """Verdicts from before a change of the flag do not count as evidence after it."""
    await store.store([finding(flag_version=version) for version in (1, 2, 2, 3)])
    assert await store.summary(ROUTE, since_version=2) == {Outcome.MISMATCHED: 3}
    assert await store.summary("other") == {}


async def test_failed_side_is_kept_with_its_reason(store: EvidenceStore) -> None:
    """A side that gave no answer has no status, and the failure's code is the reason."""
    verdict = Verdict(Outcome.NOT_COMPARABLE, reason="new_timeout")
    await store.store([finding(verdict=verdict, candidate_status=None)])
    (found,) = await store.mismatches(ROUTE)
    assert (found.candidate_status, found.reason, found.mismatches) == (None, "new_timeout", ())


async def test_only_the_newest_are_kept(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest findings of a route give way; other routes, other outcomes and the counts stay."""
    monkeypatch.setattr(evidence, "KEPT", 5)
    await store.store([finding(route="quiet"), finding(Outcome.NOT_COMPARABLE)])
    for batch in range(4):
        await store.store([finding(request_id=f"r{batch}.{n}") for n in range(3)])
    kept = [each.request_id for each in await store.mismatches(ROUTE) if each.outcome is Outcome.MISMATCHED]
    assert kept == ["r3.2", "r3.1", "r3.0", "r2.2", "r2.1"]
    assert len(await store.mismatches("quiet")) == 1
    assert await store.summary(ROUTE) == {Outcome.MISMATCHED: 12, Outcome.NOT_COMPARABLE: 1}


async def test_limit_gives_the_newest(store: EvidenceStore) -> None:
    """A page holds the newest findings, newest first."""
    await store.store([finding(request_id=str(n)) for n in range(5)])
    assert [each.request_id for each in await store.mismatches(ROUTE, limit=2)] == ["4", "3"]


async def test_odd_texts_do_not_lose_the_batch(store: EvidenceStore) -> None:
    """NUL, lone surrogates, endless values and a thousand differences are stored in a form the database takes."""
    odd = Mismatch(Kind.EXTRA, "body/\0\ud800", "\0" * 10, "x" * 100_000)
    verdict = Verdict(Outcome.MISMATCHED, (odd,) * 1_000, (Allowance(odd, "why", "file:1"),), reason="\ud800")
    await store.store([finding(target="/\0?\udcff", verdict=verdict), finding(request_id="after")])
    after, found = await store.mismatches(ROUTE)
    assert after.request_id == "after"
    assert found.target == "/\N{REPLACEMENT CHARACTER}??"
    assert len(found.mismatches) == evidence.DIFFERENCES
    assert found.mismatches[0].candidate == "x" * evidence.TEXT


async def test_processes_store_the_same_minutes_together(store: EvidenceStore) -> None:
    """Ten batches at once, over the same routes and minutes in different orders, add up."""
    routes = [f"route{n}" for n in range(5)]
    batch = [finding(route=route, at=AT + timedelta(minutes=n)) for route in routes for n in range(4)]
    await asyncio.gather(*(store.store(batch if n % 2 else batch[::-1]) for n in range(10)))
    assert [await store.summary(route) for route in routes] == [{Outcome.MISMATCHED: 40}] * 5


async def test_database_down_is_a_connection_error() -> None:
    """The sink's promise: ConnectionError when the store cannot be reached."""
    engine = make_engine("postgresql:///x?host=/nowhere")
    with pytest.raises(DatabaseDown) as raised:
        await EvidenceStore(engine).store([finding()])
    assert isinstance(raised.value, ConnectionError)
    await engine.dispose()
