"""Rescue: legacy answers where the new side fails before anything of it stays, and never after that."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.diff.verdict import Outcome
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect
from services.kit.auth import ANONYMOUS
from services.kit.body import fields_of
from services.kit.unit import WriteSession, writing
from services.lots.tables import lots
from tests.gateway.proxy.harness import gateway, route
from tests.legacy.stack import Legacy
from tests.services.rehearsals import with_handler

from .both import both, send

__all__ = ["gateway"]  # both fronts serve it

Act = Callable[[WriteSession], Awaitable[None]]
RESCUED = route("lots.create", "POST /api/lots", effect=Effect.WRITE, rescue=True)
NOT_RESCUED = route("lots.create", "POST /api/lots", effect=Effect.WRITE)


async def fails(_: WriteSession) -> None:
    raise ValueError("a bug")


async def hangs(_: WriteSession) -> None:
    await asyncio.sleep(3600)


async def passes(_: WriteSession) -> None:
    """Do nothing."""


def handling(before: Act, after: Act = passes) -> FastAPI:
    """The new side with a handler for POST /api/lots that inserts; `after` runs behind its commit."""

    async def handler(request: Request) -> Response:
        fields = await fields_of(request)
        async with writing(request, ANONYMOUS) as session:
            await session.add(insert(lots).returning(lots.c.id), {**fields, "lot_type": "FG"})
            await before(session)
        await after(session)
        return PlainTextResponse("new", 201)

    app = with_handler(handler, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    return app


def rows(database: psycopg.Connection, code: str) -> list[tuple[str | None]]:
    return database.execute("SELECT lot_type FROM lots WHERE lot_code = %s", [code]).fetchall()


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.NEW])
@pytest.mark.parametrize("act", [fails, hangs])
async def test_legacy_answers_where_the_new_side_fails(
    legacy: Legacy, database: psycopg.Connection, act: Act, stage: Stage
) -> None:
    """The whole body reaches legacy, its row is the only one, and the evidence counts a mismatch."""
    code = uuid.uuid4().hex
    async with both(legacy.base_url, app=handling(act), stage=stage, routes=[RESCUED], timeout_s=1.0) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code}, "X-User: ann")
        (finding,) = await served.found(1)
    assert (reply.status, reply.values(b"x-strangler-side")) == (201, [b"legacy"])
    assert rows(database, code) == [(None,)]
    assert (finding.rescued, finding.verdict.outcome) == (True, Outcome.MISMATCHED)
    assert finding.verdict.reason == f"rescued: {'new_timeout' if act is hangs else 'new_crashed'}"
    assert finding.request is not None
    assert finding.request.body is not None, "it can be asked again"
    assert code in finding.request.body


@pytest.mark.parametrize("after", [fails, hangs])
async def test_nobody_is_rescued_after_a_commit(legacy: Legacy, database: psycopg.Connection, after: Act) -> None:
    """What is stored is stored: the client gets the failure, and legacy is not asked to do it again."""
    code = uuid.uuid4().hex
    app = handling(passes, after)
    async with both(legacy.base_url, app=app, stage=Stage.NEW, routes=[RESCUED], timeout_s=1.0) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code}, "X-User: ann")
    assert reply.status in (500, 504)
    assert rows(database, code) == [("FG",)]


async def test_bodies_that_are_kept_for_a_rescue_stay_within_the_budget(
    legacy: Legacy, database: psycopg.Connection
) -> None:
    """Where there is no room for one there is no rescue, and what was kept is given back."""
    code = uuid.uuid4().hex
    lot = {"lot_code": code, "metadata": {"long": "x" * 50_000}}
    for held_bytes, status in ((10_000, 500), (200_000, 201)):
        more: dict[str, Any] = {"app": handling(fails), "routes": [RESCUED], "held_bytes": held_bytes}
        async with both(legacy.base_url, stage=Stage.NEW, **more) as served:
            assert (await send(served, "POST", "/api/lots", lot, "X-User: ann")).status == status
            assert served.gateway.mirror.budget.held == 0
    assert rows(database, code) == [(None,)]


async def test_a_route_that_does_not_want_it_is_not_rescued(legacy: Legacy, database: psycopg.Connection) -> None:
    """Off is the default."""
    code = uuid.uuid4().hex
    async with both(legacy.base_url, app=handling(fails), stage=Stage.NEW, routes=[NOT_RESCUED]) as served:
        reply = await send(served, "POST", "/api/lots", {"lot_code": code}, "X-User: ann")
    assert (reply.status, rows(database, code)) == (500, [])


async def test_a_handler_that_answers_is_not_rescued(legacy: Legacy, database: psycopg.Connection) -> None:
    """The new side's own answer is the client's, whatever its status, and its commit is kept."""
    code = uuid.uuid4().hex
    async with both(legacy.base_url, app=handling(passes), stage=Stage.NEW, routes=[RESCUED]) as served:
        replies = [await send(served, "POST", "/api/lots", {"lot_code": code}, "X-User: ann") for _ in range(1)]
    assert [(reply.status, reply.values(b"x-strangler-side")) for reply in replies] == [(201, [b"new"])]
    assert rows(database, code) == [("FG",)]


async def test_legacy_gets_the_whole_upload_also_where_the_new_side_gave_up_in_the_middle(
    legacy: Legacy, database: psycopg.Connection
) -> None:
    """A handler that stops waiting for the rest of a body ends nothing: half an upload must not look like a whole."""
    code, gave_up = uuid.uuid4().hex, asyncio.Event()

    async def impatient(request: Request) -> Response:
        async with writing(request, ANONYMOUS):
            try:
                async with asyncio.timeout(0.2):
                    await request.body()
            finally:
                gave_up.set()
        return PlainTextResponse("new", 201)

    app = with_handler(impatient, "/api/lots")
    app.router.routes.insert(0, app.router.routes.pop())
    body = json.dumps({"lot_code": code}).encode()
    async with both(legacy.base_url, app=app, stage=Stage.NEW, routes=[RESCUED], timeout_s=5.0) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = b"POST /api/lots HTTP/1.1\r\nHost: a\r\nX-User: ann\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunk(body[:5]))
        async with asyncio.timeout(10):
            await gave_up.wait()
            await asyncio.sleep(0.2)
            writer.write(chunk(body[5:]) + b"0\r\n\r\n")
            reply = await reader.read()
        writer.close()
    assert reply.split(b"\r\n")[0] == b"HTTP/1.1 201 Created"
    assert rows(database, code) == [(None,)]


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)
