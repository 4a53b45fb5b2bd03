"""The unit of work: what it keeps, what it takes back, and what it tells the database about the caller."""

import asyncio
import json
import random
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError
from starlette.requests import Request

from services.app import build
from services.kit.auth import ANONYMOUS
from services.kit.auth import Caller as Who
from services.kit.unit import commits, reading, writing
from tests.legacy.stack import ACTIVE_RUN_ID, OPERATOR_ID, person_claims, signed

from .asgi import Caller, exchange, request_bytes, running, serving

TABLES = ("users", "production_runs", "lots", "qc_decisions")
WRITES = [
    ("POST", "/api/lots", {"lot_code": "ROLLED-BACK"}, 201),
    ("POST", "/api/runs", {"run_code": "ROLLED-BACK"}, 201),
    ("PATCH", f"/api/runs/{ACTIVE_RUN_ID}", {"status": "COMPLETED", "summary": {"a": 1}}, 200),
    ("POST", "/api/qc-decisions", {"decision": "PASS"}, 201),
    ("POST", "/api/login", {"email": "admin@flowviz.com"}, 200),
]


def rows(database: psycopg.Connection) -> list[Any]:
    """Every row of every table that can be written, with the transaction that wrote it."""
    return [
        database.execute(f"SELECT t.*, t.xmin::text FROM {table} t ORDER BY id".encode()).fetchall() for table in TABLES
    ]


@pytest.mark.parametrize(("method", "target", "body", "status"), WRITES)
async def test_rolled_back_unit_leaves_no_row(
    client: Caller, database: psycopg.Connection, method: str, target: str, body: object, status: int
) -> None:
    """The answer is the one a real write would get, and the tables are as before."""
    before = rows(database)
    answer = await client.send(method, target, body=body, commit=False)
    assert answer.status == status
    assert rows(database) == before


async def test_unit_the_gateway_wants_kept_is_kept(client: Caller, database: psycopg.Connection) -> None:
    """`"commit": True` is what the gateway sends when this side answers the client."""
    await client.send("POST", "/api/lots", body={"lot_code": "KEPT"}, commit=True)
    assert database.execute("SELECT count(*) FROM lots WHERE lot_code = 'KEPT'").fetchone() == (1,)


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        ({}, True),
        ({"extensions": {}}, True),
        ({"extensions": None}, True),
        ({"extensions": {"strangler.run": {"commit": True}}}, True),
        ({"extensions": {"strangler.run": {"commit": False}}}, False),
        ({"extensions": {"strangler.run": {"commit": 1}}}, False),
        ({"extensions": {"strangler.run": {}}}, False),
        ({"extensions": {"strangler.run": "commit"}}, False),
    ],
)
def test_unclear_extension_means_roll_back(scope: dict[str, Any], kept: bool) -> None:
    """Only no extension at all, or a plain True, keeps what was done."""
    assert commits(scope) is kept


async def test_row_is_there_when_the_first_byte_arrives(
    environment: pytest.MonkeyPatch, database: psycopg.Connection
) -> None:
    """The commit comes before the head of the answer, not after its body."""
    async with running(build()) as client:
        seen: list[Any] = []
        app = client.app

        async def watching(scope: Any, receive: Any, send: Any) -> None:
            async def looking(message: Any) -> None:
                if message["type"] == "http.response.start":
                    seen.append(database.execute("SELECT count(*) FROM lots WHERE lot_code = 'FIRST'").fetchone())
                await send(message)

            await app(scope, receive, looking)

        await Caller(watching).send("POST", "/api/lots", body={"lot_code": "FIRST"})
    assert seen == [(1,)]


async def test_reading_session_cannot_write(environment: pytest.MonkeyPatch) -> None:
    """The connection itself refuses, whatever statement reaches it."""
    app = build()
    async with running(app):
        async with reading(Request({"type": "http", "app": app}), ANONYMOUS) as session:
            with pytest.raises(InternalError, match="read-only"):
                await session.rows(text("DELETE FROM lots RETURNING id"))  # type: ignore[arg-type]  # the type forbids it already


async def test_claims_are_set_for_the_transaction_and_gone_after_it(environment: pytest.MonkeyPatch) -> None:
    """`auth.uid()` is the caller inside the unit; the next unit on the same connection is nobody's."""
    environment.setenv("SERVICES_POOL_SIZE", "1")
    app = build()
    asked = text("SELECT auth.uid()::text, current_setting('request.jwt.claims', true)")
    async with running(app):
        request = Request({"type": "http", "app": app})
        claims = person_claims()
        async with writing(request, Who(claims)) as session:
            row = await session.add(asked, {})  # type: ignore[arg-type]  # a question instead of an INSERT
            assert (row[0], json.loads(row[1])) == (OPERATOR_ID, claims)
        async with writing(request, ANONYMOUS) as session:
            assert (await session.add(asked, {}))[0] is None  # type: ignore[arg-type]  # as above


async def test_failed_write_leaves_the_connection_usable(environment: pytest.MonkeyPatch) -> None:
    """After a refusal the one pooled connection serves the next request."""
    environment.setenv("SERVICES_POOL_SIZE", "1")
    async with running(build()) as client:
        for number in range(3):
            assert (await client.send("POST", "/api/lots", body={"lot_code": "RAW-BEEF-001"})).status == 409
            assert (await client.send("POST", "/api/lots", body={"lot_code": f"AFTER-{number}"})).status == 201


async def test_interleaved_requests_and_cancellations_leave_nothing_half_done(
    environment: pytest.MonkeyPatch, database: psycopg.Connection
) -> None:
    """Of 200 writes at once, every third cancelled: whoever got a 201 has a row with the caller's own fields."""
    environment.setenv("SERVICES_POOL_SIZE", "5")
    chance = random.Random(7)
    headers = {"Authorization": f"Bearer {signed(person_claims())}"}
    async with running(build()) as client:

        async def register(number: int) -> int | None:
            body = {"lot_code": f"MANY-{number}", "weight_kg": number, "metadata": {"number": number}}
            task = asyncio.create_task(
                client.send("POST", "/api/lots", body=body, headers=headers, commit=number % 5 != 0)
            )
            if number % 3 == 0:
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.4), task.cancel)
            try:
                answer = await task
            except asyncio.CancelledError:
                return None
            assert (answer.status, answer.json()["metadata"]) == (201, {"number": number})
            return number

        finished = [number for number in await asyncio.gather(*map(register, range(200))) if number is not None]
        assert (await client.send("GET", "/api/lots")).status == 200
        assert (await client.send("POST", "/api/lots", body={"lot_code": "MANY-AFTER"})).status == 201
    found = database.execute("SELECT lot_code, weight_kg, metadata FROM lots WHERE lot_code ~ '^MANY-[0-9]'").fetchall()
    stored = {int(code.removeprefix("MANY-")) for code, _, _ in found}
    assert len(finished) < 200
    assert {number for number in finished if number % 5} <= stored
    assert not any(number % 5 == 0 for number in stored)
    assert all(metadata == {"number": int(weight)} for _, weight, metadata in found)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert database.execute(idle).fetchone() == (0,)


async def test_app_runs_behind_uvicorn_with_its_lifespan(environment: pytest.MonkeyPatch) -> None:
    """Over a real socket: start, a read, a write, a HEAD, stop."""
    async with serving(build()) as address:
        assert (await exchange(address, request_bytes("GET", "/api/health"))).json()["status"] == "ok"
        created = await exchange(address, request_bytes("POST", "/api/lots", body=b'{"lot_code": "SOCKET"}'))
        assert (created.status, created.json()["lot_code"]) == (201, "SOCKET")
        head = await exchange(address, request_bytes("HEAD", "/api/traceability/SOCKET"))
        assert (head.status, head.body) == (200, b"")
        assert int(head.header("content-length") or 0) > 0
