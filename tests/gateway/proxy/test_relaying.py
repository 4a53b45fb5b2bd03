"""What a user meets when an end is slow and one answer follows another, on either front."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from gateway.upstream.reach import Reach
from tests.gateway.proxy import harness
from tests.gateway.proxy.harness import Received, Upstream, gateway, upstream

MIB = 1024 * 1024
SMALL = 200 * 1024  # an answer that fits into what is held for a slow reader
LARGE = 64 * MIB
FIRST = 60  # small answers before the large one; they fill the kernel's buffers, too


async def test_each_test_runs_on_the_front_in_its_name(request: pytest.FixtureRequest) -> None:
    """What is said to hold on either front has been tried on either."""
    assert request.node.name.endswith(f"[{harness.front}]")


async def test_a_reader_that_stops_slows_legacy_down_in_every_pipelined_answer_and_loses_nothing() -> None:
    """What is full from the answer before is full for the next one, and a pause of the reader is not legacy's."""
    sent = 0

    async def as_much_as_asked(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        left = int(request.target[1:])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % left)
        while left:
            part = min(left, 64 * 1024)
            writer.write(bytes(part))
            await writer.drain()
            left -= part
            sent += part

    async with upstream(as_much_as_asked) as legacy, gateway(legacy.url, timeout_s=1.0) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=64 * 1024)
        for size in (*[SMALL] * FIRST, LARGE):
            writer.write(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
        previous = -1
        while previous != sent:
            previous = sent
            await asyncio.sleep(1.2)  # longer than legacy has for a head
        assert sent < FIRST * SMALL + LARGE // 2
        async with asyncio.timeout(20):
            for size in (*[SMALL] * FIRST, LARGE):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
                await reader.readexactly(size)
        writer.close()


async def test_an_upload_that_began_before_legacy_was_reached_is_slowed_down_as_any_other() -> None:
    """What was held meanwhile may fill legacy's connection at once; the client is made to wait from then on."""
    found, sent = asyncio.Event(), 0

    async def slowly(host: str, port: int) -> Sequence[str]:
        await found.wait()
        return ["127.0.0.1"]

    async def never_read(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    listening = socket.socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # a network's, where the kernel holds little
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    legacy = Upstream(never_read)
    server = await asyncio.start_server(legacy.serve, sock=listening)
    url = f"http://localhost:{listening.getsockname()[1]}"
    async with server, gateway(url, reach=Reach(resolve=slowly)) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            writer.write(bytes(64 * 1024))
            sent += 64 * 1024
            try:
                async with asyncio.timeout(0.4):
                    await writer.drain()
            except TimeoutError:
                if found.is_set():
                    break
                found.set()
        writer.transport.abort()
    assert sent < LARGE // 2
