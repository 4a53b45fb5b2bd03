"""How a spliced WebSocket ends: each end hears what became of the other, and of the gateway."""

from __future__ import annotations

import asyncio
import socket as sockets
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.gateway.proxy import harness
from tests.gateway.proxy.harness import Received, Served, upstream
from tests.gateway.proxy.sockets import HANDSHAKE, SWITCH, Legacy, Streams, dial, frame, socket

ON_BOTH_LOOPS = True

RESTARTING = b"\x88\x02" + struct.pack("!H", 1012)
GOING_AWAY = b"\x88\x02" + struct.pack("!H", 1001)
RESET = struct.pack("ii", 1, 0)
UPSTREAM = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.recv(65536)
connection.sendall(bytes.fromhex(sys.argv[1]))
connection.recv(65536)
sys.stdin.read()
"""


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its peer sees a reset."""
    writer.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, RESET)
    writer.transport.abort()


# one end goes


@pytest.mark.parametrize("who", ["client", "legacy"])
async def test_a_reset_reaches_the_other_end_at_once(who: str) -> None:
    """As a reset: nobody is told that all went well."""
    async with socket() as ends:
        gone, left = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
        reset(gone[1])
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionResetError):
                await left[0].read()


async def test_a_legacy_that_is_killed_ends_the_clients_socket() -> None:
    """A process that dies has its connections closed by the kernel; the client hears of it at once."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPSTREAM, SWITCH.hex(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with harness.gateway(f"http://127.0.0.1:{port}") as served:
        client = await dial(served.port)
        assert (await client[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        process.kill()
        await process.wait()
        async with asyncio.timeout(10):
            assert await client[0].read() == b""
        client[1].close()


@pytest.mark.parametrize("first", ["client", "legacy"])
async def test_whoever_says_its_last_still_hears_the_other(first: str) -> None:
    """An end (FIN) is passed on; the answer to it comes back; then both connections are closed."""
    async with socket() as ends:
        said, held = (ends.client, ends.origin) if first == "client" else (ends.origin, ends.client)
        said[1].write(b"\x81\x80....")
        said[1].write_eof()
        assert await held[0].read() == b"\x81\x80...."
        held[1].write(b"\x88\x00")
        held[1].close()
        assert await said[0].read() == b"\x88\x00"


async def test_silence_may_be_bounded() -> None:
    """With `websocket_idle_s` both ends are told that the other is going away; bytes put it off."""
    async with socket(websocket_idle_s=0.4) as ends:
        for _ in range(4):
            await asyncio.sleep(0.2)
            ends.client[1].write(frame(0x9))
        assert await ends.client[0].readexactly(4) == GOING_AWAY
        seen = await ends.origin[0].readexactly(4 * len(frame(0x9)) + 8)
        assert unmasked(seen[-8:]) == GOING_AWAY


def unmasked(close: bytes) -> bytes:
    """A client's Close as a server would send it."""
    return Frame(Opcode.CLOSE, bytes(a ^ b for a, b in zip(close[6:], close[2:6], strict=False))).serialize(mask=False)


async def test_an_open_socket_takes_no_task() -> None:
    """A task each would be most of what ten thousand idle sockets weigh."""
    legacy = Legacy()
    async with upstream(legacy) as up, harness.gateway(up.url) as served:
        before = len(asyncio.all_tasks())
        clients = [await dial(served.port) for _ in range(50)]
        for reader, _ in clients:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        await asyncio.sleep(0)
        assert served.gateway.ledger.websockets == 50
        assert len(asyncio.all_tasks()) == before + 50  # the upstream's own, one for each connection
        for _, writer in clients:
            writer.transport.abort()
        legacy.over.set()


# the process ends


class Canary:
    """A second WebSocket, which tells when connections have been told of the end."""

    def __init__(self, ends: Streams) -> None:
        self.reader, self.writer = ends

    @classmethod
    async def of(cls, port: int) -> Canary:
        """Open one."""
        ends = await dial(port, HANDSHAKE.replace(b"/ws", b"/canary"))
        assert (await ends[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return cls(ends)

    async def told(self) -> None:
        """Wait for it, and go."""
        assert await self.reader.readexactly(4) == RESTARTING
        self.writer.close()


@dataclass
class Ending:
    """An open WebSocket, and how to end the gateway under it."""

    client: Streams
    origin: Streams
    canary: Canary
    end: Callable[[], asyncio.Task[bool | None]]


@asynccontextmanager
async def ending() -> AsyncIterator[Ending]:
    """Open a WebSocket through a gateway that the test ends."""
    legacy = Legacy()
    async with upstream(legacy) as up:
        async with ended(up.url) as (served, end):
            canary = await Canary.of(served.port)
            await legacy.opened.get()
            client = await dial(served.port)
            assert (await client[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            origin = await legacy.opened.get()
            try:
                async with asyncio.timeout(30):
                    yield Ending(client, origin, canary, end)
            finally:
                legacy.over.set()
                client[1].transport.abort()
                canary.writer.transport.abort()


@asynccontextmanager
async def ended(url: str) -> AsyncIterator[tuple[Served, Callable[[], asyncio.Task[bool | None]]]]:
    """A gateway that the test ends, at the latest when it is over."""
    manager = harness.gateway(url)
    served = await manager.__aenter__()
    tasks: list[asyncio.Task[bool | None]] = []

    async def leave() -> bool | None:
        return await manager.__aexit__(None, None, None)

    def end() -> asyncio.Task[bool | None]:
        tasks.append(asyncio.create_task(leave()))
        return tasks[0]

    try:
        yield served, end
    finally:
        await (tasks[0] if tasks else end())


async def test_both_ends_are_told_when_the_process_ends() -> None:
    """1012 for the client, 1001 for legacy, each in a Close of its own; when both have answered it is over."""
    async with ending() as ends:
        over = ends.end()
        assert await ends.client[0].readexactly(4) == RESTARTING
        assert unmasked(await ends.origin[0].readexactly(8)) == GOING_AWAY
        ends.client[1].write(frame(0x8, struct.pack("!H", 1012)))
        assert await ends.client[0].read() == b""
        ends.client[1].close()
        ends.origin[1].write(GOING_AWAY)
        assert await ends.origin[0].read() == b""
        ends.origin[1].close()
        await over


async def test_a_close_waits_for_the_frame_under_way() -> None:
    """It may stand within a fragmented message, never within a frame; what comes after it goes nowhere."""
    fragment, rest = frame(0x1, b"a" * 300, fin=False, masked=False), frame(0x0, b"b" * 70_000, masked=False)
    upward = frame(0x2, b"c" * 200)
    async with ending() as ends:
        ends.origin[1].write(fragment + rest[:5])
        assert await ends.client[0].readexactly(len(fragment) + 5) == fragment + rest[:5]
        ends.client[1].write(upward[:7])
        assert await ends.origin[0].readexactly(7) == upward[:7]
        over = ends.end()
        await ends.canary.told()
        ends.origin[1].write(rest[5:] + frame(0x1, b"too late", masked=False) + GOING_AWAY)
        ends.client[1].write(upward[7:] + frame(0x1, b"too late") + frame(0x8, struct.pack("!H", 1012)))
        assert await ends.client[0].read() == rest[5:] + RESTARTING
        seen = await ends.origin[0].read()
        assert (seen[:-8], unmasked(seen[-8:])) == (upward[7:], GOING_AWAY)
        ends.client[1].close()
        ends.origin[1].close()
        await over


async def test_a_frame_that_never_ends_does_not_keep_the_process() -> None:
    """When its time is over both connections are cut, without a Close in the wrong place."""
    half = frame(0x2, b"c" * 2_000, masked=False)[:1_000]
    async with ending() as ends:
        ends.origin[1].write(half)
        assert await ends.client[0].readexactly(1_000) == half
        over = ends.end()
        assert await ends.client[0].read() == b""
        await over


async def test_what_is_no_websocket_is_just_closed() -> None:
    """Nobody knows where a Close could stand among bytes that are no frames."""
    async with ending() as ends:
        ends.origin[1].write(b"220 ready\r\n")
        assert await ends.client[0].readexactly(11) == b"220 ready\r\n"
        over = ends.end()
        assert await ends.client[0].read() == b""
        ends.client[1].close()
        await over


async def test_a_closing_handshake_under_way_is_not_disturbed() -> None:
    """Whoever closes in the moment of a restart hears the other's own code."""
    async with ending() as ends:
        mine = frame(0x8, struct.pack("!H", 4_001))
        ends.client[1].write(mine)
        assert await ends.origin[0].readexactly(len(mine)) == mine
        over = ends.end()
        await ends.canary.told()
        theirs = frame(0x8, struct.pack("!H", 4_001), masked=False)
        ends.origin[1].write(theirs)
        assert await ends.client[0].read() == theirs
        assert await ends.origin[0].read() == b""
        ends.client[1].close()
        ends.origin[1].close()
        await over


async def test_a_handshake_under_way_is_finished_first() -> None:
    """A client that is let in while the process ends hears so in the words of its protocol."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target != b"/canary":
            asked.set()
            await answer.wait()
        writer.write(SWITCH)
        await reader.read()

    async with upstream(slow) as up, ended(up.url) as (served, end):
        canary = await Canary.of(served.port)
        client = await dial(served.port)
        await asked.wait()
        over = end()
        await canary.told()
        answer.set()
        async with asyncio.timeout(10):
            assert (await client[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert await client[0].readexactly(4) == RESTARTING
            client[1].close()
            await over


async def test_libraries_understand_the_end() -> None:
    """A real client reports 1012, a real server 1001."""
    heard: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()
        heard.set_result(socket.close_code)

    async with serve(handle, "127.0.0.1", 0) as server:
        async with ended(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as (served, end):
            async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None) as client:
                over = end()
                with pytest.raises(ConnectionClosed):
                    await client.recv()
            await over
        async with asyncio.timeout(30):
            assert await heard == 1001
    assert client.close_code == 1012


async def test_a_refusal_under_way_is_finished() -> None:
    """The body of a plain answer is not cut because the process ends."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def refuse(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target == b"/canary":
            writer.write(SWITCH)
            await reader.read()
            return
        writer.write(b"HTTP/1.1 403 No\r\ncontent-length: 6\r\n\r\nnot")
        await writer.drain()
        begun.set()
        await go_on.wait()
        writer.write(b"you")

    async with upstream(refuse) as up, ended(up.url) as (served, end):
        canary = await Canary.of(served.port)
        client = await dial(served.port)
        await begun.wait()
        over = end()
        await canary.told()
        go_on.set()
        async with asyncio.timeout(10):
            assert (await client[0].read()).endswith(b"\r\n\r\nnotyou")
            client[1].close()
            await over
