"""A WebSocket passes through the gateway as if it were not there."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.gateway.proxy.harness import gateway, until

HANDSHAKE = (
    b"GET %b HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


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


async def test_a_handshake_may_say_that_it_has_no_body() -> None:
    """`Content-Length: 0` means a GET without a body: some devices send it with every request."""
    async with echo() as (url, asked), gateway(url) as served:
        nothing = {"Content-Length": "0"}
        async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None, additional_headers=nothing) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
    assert len(asked) == 1


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


async def test_clients_that_leave_during_the_handshake_leave_no_socket_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Legacy's end is closed although the client never heard of it, and nobody calls it an error."""
    left = asyncio.Event()
    asked: list[ServerConnection] = []

    async def wait(socket: ServerConnection, request: Request) -> None:
        asked.append(socket)
        await left.wait()

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(handle, "127.0.0.1", 0, process_request=wait) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as served:
            writers = []
            for _ in range(10):
                _, writer = await asyncio.open_connection("127.0.0.1", served.port)
                writer.write(HANDSHAKE % b"/ws")
                writers.append(writer)
            await until(lambda: len(asked) == 10)
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0.2)  # the gateway sees them leave
            left.set()
            await until(lambda: all(socket.transport.is_closing() for socket in asked))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_leaves_while_legacy_thinks_takes_its_connection_with_it() -> None:
    """Legacy hears of it at once, by either front."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with suppress(ConnectionError):
            await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, gateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=30) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(HANDSHAKE % b"/ws")
        async with asyncio.timeout(5):
            await asked.wait()
            writer.transport.abort()
            await gone.wait()


@pytest.mark.parametrize(("host", "seen"), [("Shop.Test:80", "Shop.Test:80"), ("a/admin?x=", None), ("u:p@evil", None)])
async def test_a_host_cannot_choose_what_legacy_is_asked(host: str, seen: str | None) -> None:
    """A Host is passed on as it came or refused; it never becomes a path, a query or credentials."""
    async with echo() as (url, asked), gateway(url) as served:
        raw = (HANDSHAKE % b"/no").replace(b"shop.test", host.encode())
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(raw)
        status = (await reader.readline()).split()[1]
        writer.close()
    assert status == (b"400" if seen is None else b"403")
    assert [(one.path, one.headers["Host"]) for one in asked] == ([] if seen is None else [("/no", seen)])


async def test_what_legacy_sent_before_it_closed_arrives() -> None:
    """A client that is sending when legacy closes still gets every message, then the code."""

    async def handle(socket: ServerConnection) -> None:
        reading = asyncio.create_task(listen(socket))
        for number in range(200):
            await socket.send(str(number) * 500)
        await socket.close(1000, "enough")
        await reading

    async def listen(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    async def talk(socket: Connection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await socket.send("more")
                await asyncio.sleep(0)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as served:
            async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None) as socket:
                talking = asyncio.create_task(talk(socket))
                got = [message async for message in socket]
                await talking
    assert got == [str(number) * 500 for number in range(200)]
    assert (socket.close_code, socket.close_reason) == (1000, "enough")


@pytest.mark.parametrize("slow", ["client", "legacy"])
async def test_a_slow_reader_does_not_fill_the_gateway(slow: str) -> None:
    """Whoever sends to an end that does not read is stopped after what sockets hold, in both directions."""
    stopped = asyncio.Event()

    async def fill(socket: Connection) -> None:
        for _ in range(2_000):  # 128 MiB
            try:
                await asyncio.wait_for(socket.send(b"x" * 65_536), 1)
            except TimeoutError:
                stopped.set()
                return

    async def handle(socket: ServerConnection) -> None:
        if slow == "client":
            await fill(socket)
        await left.wait()

    left = asyncio.Event()
    async with serve(handle, "127.0.0.1", 0, max_queue=1, close_timeout=0.1, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with gateway(f"http://127.0.0.1:{port}") as served:
            socket = await connect(
                f"ws://127.0.0.1:{served.port}/", proxy=None, max_queue=1, close_timeout=0.1, ping_interval=None
            )
            if slow == "legacy":
                await fill(socket)
            async with asyncio.timeout(60):
                await stopped.wait()
            left.set()
            socket.transport.abort()
