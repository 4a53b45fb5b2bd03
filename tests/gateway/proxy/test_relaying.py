"""What a user meets when an end is slow and one answer follows another, on either front."""

import asyncio

from tests.gateway.proxy.harness import Received, gateway, upstream

MIB = 1024 * 1024
SMALL = 200 * 1024  # an answer that fits into what is held for a slow reader
LARGE = 64 * MIB
FIRST = 60  # small answers before the large one; they fill the kernel's buffers, too


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
