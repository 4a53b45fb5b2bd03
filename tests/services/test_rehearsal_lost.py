"""A database that fails under a rehearsal says nothing about the handler: the gateway is told that it was abandoned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response

from services.app import build
from services.kit.auth import ANONYMOUS
from services.kit.guard import permitted
from services.kit.unit import writing

from .asgi import Caller, running
from .rehearsals import prepared, rehearse, with_handler

END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strangler-services' AND pid <> %s"
)


@pytest.fixture(scope="module")
def captured(database_url: str) -> str:
    prepared(database_url)
    return database_url


@pytest.fixture
async def side(captured: str, environment: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    async with running(build()) as caller:
        yield caller


async def test_nobody_waits_for_a_rehearsal_that_has_released_a_savepoint(
    captured: str, environment: pytest.MonkeyPatch, database: psycopg.Connection
) -> None:
    """Who waited at the release waits for the whole transaction, whatever is rolled back: legacy did, for 15 s."""
    database.execute("INSERT INTO lots (lot_code) VALUES ('LOST-LOCK')")
    change = "UPDATE lots SET weight_kg = 1 WHERE lot_code = 'LOST-LOCK'"
    legacys: list[asyncio.Task[object]] = []

    async def nested(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            async with session._connection.begin_nested():
                await session._connection.execute(text(change))
                with permitted():  # legacy's
                    legacys.append(asyncio.create_task(asyncio.to_thread(database.execute, change)))
                await asyncio.sleep(0.3)
            await asyncio.sleep(0.1)
        return Response()

    async with running(with_handler(nested)) as caller:
        told = await rehearse(caller, "/api/tried")
        async with asyncio.timeout(5):
            await legacys[0]
    assert told.of("abandoned")["why"] == "waited_for"


@pytest.mark.parametrize("survived", [False, True], ids=["raised", "caught by the handler"])
async def test_a_session_that_is_ended_is_abandoned(
    captured: str, environment: pytest.MonkeyPatch, database: psycopg.Connection, survived: bool
) -> None:
    """Not unsafe, as if the handler had ended it, and no failure of the handler's; the next one is rehearsed."""

    async def ended(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            if request.query_params:
                with permitted():  # an operator
                    database.execute(END, [database.info.backend_pid])
                with suppress(Exception if survived else ZeroDivisionError):
                    await session._connection.execute(text("SELECT 1"))
        return Response()

    async with running(with_handler(ended)) as caller:
        told = await rehearse(caller, "/api/tried?end=1")
        assert told.kinds()[-1] != "rehearsed"
        assert told.of("abandoned")["why"] == "unreachable"
        assert "unsafe" not in told.kinds()
        again = await rehearse(caller, "/api/tried")
        assert again.kinds() == ["begun", "rehearsed"]
        await again.of("rehearsed")["release"]()


async def test_a_standby_is_no_failure_of_the_handlers(side: Caller, database: psycopg.Connection) -> None:
    """It takes no writes: nothing can be said of one."""
    database.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        told = await rehearse(side, "/api/lots", {"lot_code": "LOST-1"})
    finally:
        with psycopg.connect(database.info.dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER ROLE postgres RESET default_transaction_read_only")
    assert told.of("abandoned")["why"] == "read_only"


async def test_a_database_without_room_for_a_connection_is_no_failure_of_the_handlers(
    captured: str, environment: pytest.MonkeyPatch, database: psycopg.Connection
) -> None:
    """PostgreSQL refuses a connection beyond its limit; clients' writes may have had theirs before."""
    database.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 0")
    environment.setenv("SERVICES_DATABASE_URL", captured.replace("//postgres:@", "//few:@"))
    try:
        async with running(build()) as side:
            told = await rehearse(side, "/api/lots", {"lot_code": "LOST-2"})
    finally:
        database.execute("DROP ROLE few")
    assert told.kinds() == ["abandoned", "failed"]


async def test_a_session_that_is_ended_before_the_look_is_no_bug(side: Caller, database: psycopg.Connection) -> None:
    """Nothing can be compared, and the connection's end is no error to anybody."""
    told = await rehearse(side, "/api/lots", {"lot_code": "LOST-3"})
    database.execute(END, [database.info.backend_pid])
    with pytest.raises(TimeoutError):
        await told.of("rehearsed")["look"](())
    told = await rehearse(side, "/api/lots", {"lot_code": "LOST-4"})
    database.execute(END, [database.info.backend_pid])
    await told.of("rehearsed")["release"]()
