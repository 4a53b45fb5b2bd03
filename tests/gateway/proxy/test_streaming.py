"""Bodies flow both ways as they come; nothing is collected on the way."""

import asyncio

import psutil

from gateway.metrics.catalogue import REQUESTS
from tests.gateway.proxy.harness import Received, gateway, until, upstream

MIB = 1024 * 1024


async def test_an_event_arrives_before_the_next_one_is_sent() -> None:
    """A server-sent event is at the client while legacy still holds the stream open."""
    seen = asyncio.Event()

    async def events(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"9\r\ndata: 1\n\n\r\n")
        await writer.drain()
        await seen.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    async with upstream(events) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(30):
            await reader.readuntil(b"data: 1\n\n")
            seen.set()
            await reader.readuntil(b"data: 2\n\n")
        writer.close()


async def test_an_upload_reaches_legacy_while_it_is_sent() -> None:
    """Legacy reads the first part before the client has sent the last."""
    half = asyncio.Event()

    async def take(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        half.set()
        await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with upstream(take) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        async with asyncio.timeout(30):
            await half.wait()
            writer.write(b"world")
            await reader.readuntil(b"\r\n\r\nok")
        writer.close()


async def test_memory_stays_bounded_while_the_client_does_not_read() -> None:
    """A slow reader slows legacy down instead of filling the gateway."""
    sent = 0

    async def flood(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (512 * MIB))
        for _ in range(512):
            writer.write(b"x" * MIB)
            await writer.drain()
            sent += MIB

    async with upstream(flood) as legacy, gateway(legacy.url) as served:
        before = psutil.Process().memory_info().rss
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=64 * 1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        previous = -1
        while previous != sent:
            previous = sent
            await asyncio.sleep(0.3)
        grown = psutil.Process().memory_info().rss - before
        writer.transport.abort()
    assert sent < 64 * MIB  # the kernel's buffers hold some, the gateway hardly any
    assert grown < 32 * MIB


async def test_a_client_that_leaves_within_an_answer_is_taken_down_with_what_it_was_told() -> None:
    """It had its 200 long before; that it left is no status of anybody's."""

    async def endless(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reader.read()

    async with upstream(endless) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"hello")
        writer.close()
        counted = served.gateway.ledger.rows
        await until(lambda: bool(counted()[REQUESTS.name]))
        assert [labels[-1] for labels, _ in counted()[REQUESTS.name]] == ["2xx"]
