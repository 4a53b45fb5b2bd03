"""A WebSocket passes through the gateway as if it were not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, always, gateway, route, upstream


@asynccontextmanager
async def echo(*subprotocols: str) -> AsyncIterator[tuple[str, list[Request]]]:
    """A WebSocket server that echoes, closes as told, and refuses /no."""
    asked: list[Request] = []

    async def handle(socket: ServerConnection) -> None:
        async for message in socket:
            if isinstance(message, str) and message.startswith("close "):
                await socket.close(int(message[6:]), "as told")
                return
            await socket.send(message)

    def check(socket: ServerConnection, request: Request) -> Response | None:
        asked.append(request)
        return socket.respond(403, "not you\n") if request.path.startswith("/no") else None

    async with serve(
        handle,
        "127.0.0.1",
        0,
        process_request=check,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        max_size=None,
    ) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", asked


async def test_messages_pass_both_ways() -> None:
    """Text and bytes arrive as what they were, also large ones; path, query and sub-protocol are legacy's to judge."""
    async with echo("v2", "v1") as (url, asked), gateway(url) as served:
        async with connect(
            f"ws://127.0.0.1:{served.port}/socket/a%2Fb?vsn=1",
            subprotocols=[Subprotocol("v1")],
            proxy=None,
            max_size=None,
        ) as socket:
            for message in ("héllo", b"\x00\xff", "x" * 3_000_000):
                await socket.send(message)
                assert await socket.recv() == message
            assert socket.subprotocol == "v1"
    assert asked[0].path == "/socket/a%2Fb?vsn=1"
    assert asked[0].headers["X-Forwarded-For"] == "127.0.0.1"
    assert asked[0].headers["Host"] == f"127.0.0.1:{served.port}"


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4999])
async def test_close_codes_pass(code: int) -> None:
    """The code and the reason legacy closes with are the client's."""
    async with echo() as (url, _), gateway(url) as served:
        async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None) as socket:
            await socket.send(f"close {code}")
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "as told")


async def test_a_refused_handshake_is_legacys_plain_answer() -> None:
    """A 403 instead of an upgrade reaches the client with its body."""
    async with echo() as (url, _), gateway(url) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{served.port}/no", proxy=None)
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"not you\n"


async def test_legacy_down_is_a_plain_502(free_port: int) -> None:
    """A handshake that legacy cannot take gets the gateway's answer with its code."""
    async with gateway(f"http://127.0.0.1:{free_port}") as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{served.port}/", proxy=None)
    assert refused.value.response.status_code == 502
    assert b"legacy_unreachable" in (refused.value.response.body or b"")


async def test_a_new_side_that_speaks_websockets_answers() -> None:
    """On stage new the handshake belongs to the app in this process."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"] + " from new"})
        await send({"type": "websocket.close", "code": 1000})

    feed = route("feed", "GET /feed")
    flag = Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        async with connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello from new"
    assert legacy.received == []


async def test_a_client_that_vanishes_closes_legacys_socket() -> None:
    """When the client's connection dies, legacy's end is closed, too."""
    gone = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()
        gone.set()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as served:
            socket = await connect(f"ws://127.0.0.1:{served.port}/", proxy=None)
            socket.transport.abort()
            async with asyncio.timeout(5):
                await gone.wait()
