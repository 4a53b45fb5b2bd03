"""What a rehearsal may not do, and what it may cost: the route stops, the budget ends it, the client is served."""

import asyncio
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, text
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect
from gateway.telemetry import counters
from services.kit.auth import ANONYMOUS
from services.kit.body import fields_of
from services.kit.parts import parts_of
from services.kit.unit import WriteSession, writing
from services.lots.tables import lots
from tests.gateway.proxy.harness import gateway, route
from tests.legacy.stack import Legacy
from tests.services.rehearsals import with_handler

from .both import both, send, settled

__all__ = ["gateway"]  # both fronts serve it

# the standard library leaves a socket whose connect was refused by an audit hook to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

Act = Callable[[Request, WriteSession], Awaitable[None]]
CREATE = route("lots.create", "POST /api/lots", effect=Effect.WRITE, rehearsed=True)


async def commits(_: Request, session: WriteSession) -> None:
    await session._connection.commit()


async def connects(request: Request, _: WriteSession) -> None:
    async with parts_of(request).database.writers.begin() as other:
        await other.execute(text("INSERT INTO lots (lot_code) VALUES (gen_random_uuid()::text)"))


async def asks(_: Request, __: WriteSession) -> None:
    await asyncio.to_thread(urllib.request.urlopen, "http://127.0.0.1:9/", timeout=1)


async def truncates(_: Request, session: WriteSession) -> None:
    await session._connection.execute(text("TRUNCATE lot_genealogy"))


async def alters(_: Request, session: WriteSession) -> None:
    await session._connection.execute(text("/* quietly */ ALTER TABLE lots ADD COLUMN extra text"))


async def has_truncated(_: Request, session: WriteSession) -> None:
    """No text says so: what is told comes from the table."""
    await session._connection.execute(text("DO $$ BEGIN EXECUTE 'TRUNCATE lot_' || 'genealogy'; END $$"))


def handling(act: Act) -> FastAPI:
    """The new side with a handler for POST /api/lots that inserts, does this, and swallows what it raises."""

    async def handler(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            await session.add(insert(lots).returning(lots.c.id), fields)
            with suppress(RuntimeError):
                await act(request, session)
        return PlainTextResponse("done", 201)

    app = with_handler(handler, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    return app


def lots_like(database: psycopg.Connection, code: str) -> int:
    row = database.execute("SELECT count(*) FROM lots WHERE lot_code = %s", [code]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("act", [commits, connects, asks, truncates, alters, has_truncated])
async def test_a_forbidden_act_ends_the_routes_rehearsals(
    legacy: Legacy, database: psycopg.Connection, act: Act
) -> None:
    """The client's write is made once by legacy, the act never; from then on nobody asks the handler."""
    counters.clear()
    before = database.execute("SELECT count(*) FROM lots").fetchone()
    assert before is not None
    tries = 0

    async def counted(request: Request, session: WriteSession) -> None:
        nonlocal tries
        tries += 1
        await act(request, session)

    async with both(legacy.base_url, app=handling(counted), routes=[CREATE]) as served:
        codes = [uuid.uuid4().hex for _ in range(3)]
        replies = [await send(served, "POST", "/api/lots", {"lot_code": code}) for code in codes]
        await settled(served)
        rehearsals = served.gateway.rehearsals
        assert rehearsals is not None
        unsafe = rehearsals.unsafe["lots.create"]
        served.flag(Flag("lots.create", stage=Stage.SHADOW, version=7))  # an operator says that it is mended
        replies.append(await send(served, "POST", "/api/lots", {"lot_code": uuid.uuid4().hex}))
        await settled(served)
    assert [reply.status for reply in replies] == [201, 201, 201, 201]
    assert database.execute("SELECT count(*) FROM lots").fetchone() == (before[0] + 4,)
    assert tries == 2  # the first of each version of the flag
    assert unsafe.where.startswith("tests/gateway/writes/test_unsafe.py:")
    assert counters["shadow_dropped.unsafe/lots.create"] == 4
    assert served.kept.findings == []


async def test_what_a_handler_leaves_for_later_is_refused_as_well(legacy: Legacy) -> None:
    """A background task behind the answer belongs to the write that is rehearsed."""

    def ask() -> None:
        with suppress(RuntimeError):
            urllib.request.urlopen("http://127.0.0.1:9/", timeout=1)

    async def handler(request: Request) -> Response:
        await fields_of(request)
        return PlainTextResponse("done", 201, background=BackgroundTask(ask))

    app = with_handler(handler, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    async with both(legacy.base_url, app=app, routes=[CREATE]) as served:
        await send(served, "POST", "/api/lots", {"lot_code": uuid.uuid4().hex})
        await settled(served)
        rehearsals = served.gateway.rehearsals
        assert rehearsals is not None
        assert rehearsals.unsafe["lots.create"].where.startswith("tests/gateway/writes/test_unsafe.py:")


@pytest.mark.parametrize("act", [connects, asks], ids=["a second connection", "a request"])
async def test_what_a_task_does_when_the_call_is_long_over_marks_the_route(legacy: Legacy, act: Act) -> None:
    """It is refused, the route's writes are not rehearsed any more, and the line is named."""
    go, over = asyncio.Event(), asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def later(request: Request, session: WriteSession) -> None:
        async def wait() -> None:
            await go.wait()
            try:
                with suppress(RuntimeError):
                    await act(request, session)
            finally:
                over.set()

        tasks.append(asyncio.create_task(wait()))

    async with both(legacy.base_url, app=handling(later), routes=[CREATE]) as served:
        rehearsals = served.gateway.rehearsals
        assert rehearsals is not None
        await send(served, "POST", "/api/lots", {"lot_code": uuid.uuid4().hex})
        (finding,) = await served.found(1)
        await settled(served)
        assert not rehearsals.unsafe
        go.set()
        await asyncio.wait_for(over.wait(), 30)
        assert rehearsals.unsafe["lots.create"].where.startswith("tests/gateway/writes/test_unsafe.py:")
        await send(served, "POST", "/api/lots", {"lot_code": uuid.uuid4().hex})
        await settled(served)
        assert len(tasks) == 1, "nobody asks the handler any more"
        assert served.kept.findings == [finding]


async def test_a_rehearsal_that_takes_too_long_is_given_up(legacy: Legacy, database: psycopg.Connection) -> None:
    """The client waits for the budget and legacy, however long the new handler would take."""

    async def dawdles(_: Request, session: WriteSession) -> None:
        await asyncio.sleep(3600)

    counters.clear()
    code = uuid.uuid4().hex
    async with both(legacy.base_url, app=handling(dawdles), routes=[CREATE], rehearsal_s=0.5) as served:
        async with asyncio.timeout(30):
            reply = await send(served, "POST", "/api/lots", {"lot_code": code})
        await settled(served)
    assert (reply.status, lots_like(database, code)) == (201, 1)
    assert counters["shadow_dropped.over_budget/lots.create"] == 1
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert database.execute(idle).fetchone() == (0,)


async def test_a_body_over_the_cap_streams_on_untouched(legacy: Legacy, database: psycopg.Connection) -> None:
    """What cannot be kept is not rehearsed; legacy gets every byte of it."""
    counters.clear()
    code = uuid.uuid4().hex
    async with both(legacy.base_url, routes=[CREATE], capture_bytes=1_000) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code, "metadata": {"long": "x" * 50_000}})
        await settled(served)
    assert (reply.status, lots_like(database, code)) == (201, 1)
    assert counters["shadow_dropped.body_too_large/lots.create"] == 1


async def test_uploads_that_are_read_for_rehearsals_stay_within_the_budget(
    legacy: Legacy, database: psycopg.Connection
) -> None:
    """Slow clients hold no more than copies may in all; who finds no room is not rehearsed, and is served."""
    counters.clear()
    codes = [uuid.uuid4().hex for _ in range(10)]
    async with both(legacy.base_url, routes=[CREATE], held_bytes=100_000) as served:
        clients = [await half_sent(served.port, code) for code in codes]
        async with asyncio.timeout(30):
            while counters["shadow_dropped.bytes/lots.create"] < 8:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        assert 40_000 < served.gateway.mirror.budget.held <= 100_000
        replies = [await the_rest(*client) for client in clients]
        await settled(served)
        assert served.gateway.mirror.budget.held == 0
    assert {reply.split(b"\r\n")[0] for reply in replies} == {b"HTTP/1.1 201 Created"}
    assert [lots_like(database, code) for code in codes] == [1] * 10


BODY = '{"lot_code": "%s", "metadata": {"long": "%s"}}'


async def half_sent(port: int, code: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A client that has sent 40,000 bytes of its lot, and what it has not."""
    body = (BODY % (code, "x" * 50_000)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /api/lots HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:40_000])
    await writer.drain()
    return reader, writer, body[40_000:]


async def the_rest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> bytes:
    """Send it, and read the answer."""
    writer.write(rest)
    async with asyncio.timeout(10):
        reply = await reader.read()
    writer.close()
    return reply


async def test_an_app_that_does_not_say_that_it_rehearses_is_never_asked(
    legacy: Legacy, database: psycopg.Connection
) -> None:
    """It might keep what it does: only the lifespan state says that it follows the protocol."""
    asked: list[str] = []

    async def careless(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["type"])

    code = uuid.uuid4().hex
    async with both(legacy.base_url, app=careless, routes=[CREATE]) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code})
    assert (reply.status, lots_like(database, code)) == (201, 1)
    assert "http" not in asked


async def test_two_writes_on_one_key_make_one_rehearsal(legacy: Legacy) -> None:
    """The second goes to legacy at once, and what is found of the first is not comparable where they disagree."""
    entered, go = asyncio.Event(), asyncio.Event()

    async def waits(_: Request, session: WriteSession) -> None:
        entered.set()
        await go.wait()

    counters.clear()
    lot = {"lot_code": uuid.uuid4().hex}
    async with both(legacy.base_url, app=handling(waits), routes=[CREATE]) as served:
        first = asyncio.create_task(send(served, "POST", "/api/lots", lot))
        await entered.wait()
        database_first = asyncio.create_task(send(served, "POST", "/api/lots", lot))
        await asyncio.sleep(0.2)
        go.set()
        statuses = {(await first).status, (await database_first).status}
        await settled(served)
    assert statuses == {201, 500}
    assert counters["shadow_dropped.hot_key/lots.create"] == 1
    assert all(found.verdict.outcome != "mismatched" or found.control_status == 201 for found in served.kept.findings)
