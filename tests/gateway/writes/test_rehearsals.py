"""Shadowed writes on a real legacy, a real new side and one PostgreSQL: what clients get, what is found, what stays."""

import asyncio
import random
import uuid
from collections import Counter
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, insert, select
from starlette.requests import Request
from starlette.responses import Response

from gateway.diff.verdict import Outcome
from gateway.telemetry import counters
from services.kit.auth import ANONYMOUS
from services.kit.body import fields_of
from services.kit.guard import permitted
from services.kit.reply import answer
from services.kit.unit import writing
from services.lots.tables import LOT, lots
from tests.gateway.proxy.harness import gateway
from tests.legacy.stack import ACTIVE_RUN_ID, Legacy
from tests.services.rehearsals import with_handler

from .both import both, send, settled

__all__ = ["gateway"]  # both fronts serve it


@pytest.fixture
def code() -> str:
    """A lot code that no other test knows."""
    return f"W-{uuid.uuid4().hex[:12]}"


def stored(database: psycopg.Connection, like: str) -> int:
    row = database.execute("SELECT count(*) FROM lots WHERE lot_code LIKE %s", [like]).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_write_happens_once_and_matches(legacy: Legacy, database: psycopg.Connection, code: str) -> None:
    """The client has legacy's answer, the table legacy's row, the evidence both halves' agreement."""
    async with both(legacy.base_url) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code, "weight_kg": 12.5})
        (finding,) = await served.found(1)
    assert reply.status == 201
    assert reply.values(b"x-strangler-side") == [b"legacy"]
    assert stored(database, code) == 1
    assert finding.verdict.outcome is Outcome.ALLOWED
    assert (finding.control_status, finding.candidate_status) == (201, 201)


async def test_a_duplicate_is_refused_by_both(legacy: Legacy, database: psycopg.Connection, code: str) -> None:
    """The rehearsal goes first, so that legacy's own row is not what it trips over."""
    async with both(legacy.base_url) as served:
        for _ in range(2):
            await send(served, "POST", "/api/lots", {"lot_code": code})
        findings = await served.found(2)
    assert [(found.control_status, found.candidate_status) for found in findings] == [(201, 201), (500, 409)]
    assert {found.verdict.outcome for found in findings} == {Outcome.ALLOWED}


async def test_an_update_matches_in_its_row(legacy: Legacy, database: psycopg.Connection, code: str) -> None:
    """A row that was there is compared column by column."""
    async with both(legacy.base_url) as served:
        reply = await send(served, "PATCH", f"/api/runs/{ACTIVE_RUN_ID}", {"summary": {"a": 1}})
        (finding,) = await served.found(1)
    assert reply.status == 200
    assert finding.verdict.outcome in (Outcome.MATCHED, Outcome.ALLOWED)


async def test_what_is_answered_but_not_stored_is_a_mismatch(legacy: Legacy, code: str) -> None:
    """A handler that answers as legacy does and stores something else is found by its row."""

    async def forgetful(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            row = await session.add(insert(lots).returning(*LOT.columns), {**fields, "weight_kg": 1})
            reply = answer(request, 201, {**LOT.row(row), "weight_kg": str(fields["weight_kg"])})
        return reply

    app = with_handler(forgetful, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    async with both(legacy.base_url, app=app) as served:
        await send(served, "POST", "/api/lots", {"lot_code": code, "weight_kg": 12})
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    (mismatch,) = finding.verdict.mismatches
    assert (mismatch.where, mismatch.control, mismatch.candidate) == ("rows/lots/weight_kg", "12", "1")


async def test_somebody_elses_write_between_the_halves_is_not_comparable(
    legacy: Legacy, database: psycopg.Connection, code: str
) -> None:
    """The new side would have accepted the code; when legacy was asked, another one had it."""

    async def overtaken(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            reply = answer(request, 201, LOT.row(await session.add(insert(lots).returning(*LOT.columns), fields)))
        with permitted():  # somebody else's, not the handler's
            database.execute("INSERT INTO lots (lot_code) VALUES (%s)", [fields["lot_code"]])
        return reply

    app = with_handler(overtaken, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    async with both(legacy.base_url, app=app) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code})
        await settled(served)
    assert reply.status == 500
    assert [found.verdict.outcome for found in served.kept.findings] == [Outcome.NOT_COMPARABLE]


async def test_many_writes_at_once_leave_no_row_and_no_false_mismatch(
    legacy: Legacy, database: psycopg.Connection, environment: pytest.MonkeyPatch, code: str
) -> None:
    """Inserts on few codes and updates of one row by 16 clients: each row in the table is one a client was told of."""
    environment.setenv("SERVICES_POOL_SIZE", "20")
    chance, rounds = random.Random(11), 500
    answered: Counter[int] = Counter()
    async with both(legacy.base_url, rehearsals_at_once=20) as served:

        async def client(numbers: range) -> None:
            for _ in numbers:
                if chance.random() < 0.2:
                    target = {"status": chance.choice(["ACTIVE", "COMPLETED"]), "summary": {"n": chance.random()}}
                    answered[(await send(served, "PATCH", f"/api/runs/{ACTIVE_RUN_ID}", target)).status] += 1
                else:
                    lot: dict[str, Any] = {"lot_code": f"{code}-{chance.randrange(rounds // 3)}", "weight_kg": 1.5}
                    answered[(await send(served, "POST", "/api/lots", lot)).status] += 1

        await asyncio.gather(*(client(range(start, rounds, 16)) for start in range(16)))
        await settled(served)
        outcomes = Counter(found.verdict.outcome for found in served.kept.findings)
        wrong = [found.verdict for found in served.kept.findings if found.verdict.outcome is Outcome.MISMATCHED]
    assert sum(answered.values()) == rounds
    assert stored(database, f"{code}-%") == answered[201]
    assert wrong == []
    assert outcomes[Outcome.ALLOWED] + outcomes[Outcome.MATCHED] > rounds // 4
    deadlocks = database.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks.fetchone() == (0,)


async def test_a_rehearsal_over_its_budget_is_cancelled_once(
    legacy: Legacy, database: psycopg.Connection, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """A second time broke off the driver's clearing up: its statement went on, with its locks before legacy's write."""

    async def slow(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            while True:
                await session.rows(select(func.pg_sleep(0.05)))

    app = with_handler(slow, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    before = counters["shadow_dropped.over_budget/lots.create"]
    async with both(legacy.base_url, app=app, rehearsal_s=0.3) as served:
        for number in range(4):
            assert (await send(served, "POST", "/api/lots", {"lot_code": f"{code}-{number}"})).status == 201
            await settled(served)
    assert counters["shadow_dropped.over_budget/lots.create"] == before + 4
    assert "query cancellation interrupted" not in caplog.text
