"""An answer that is cut while its client reads nothing does not keep the connection."""

import asyncio
import socket
from contextlib import suppress

import psutil
import pytest

from gateway.proxy.doorkeeper import DoorLimits
from gateway.relay.breaker import Rules
from gateway.upstream.reach import Reach
from tests.gateway.proxy.harness import Received, gateway, until, upstream

ON_BOTH_LOOPS = True
NEVER_OPEN = Reach(breaker=Rules(misses=0))


@pytest.mark.parametrize("whose", ["legacy's", "the client's"])
async def test_a_cut_answer_that_nobody_reads_does_not_stay(whose: str) -> None:
    """Whoever cut it: an end that waits for its client to read is bounded as an answer is."""
    lost = asyncio.Event()

    async def cut(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int(request.target[1:])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (size + 1) + bytes(size))
        await writer.drain()
        if whose == "legacy's":
            raise ConnectionError
        await lost.wait()

    def open_ones(port: int) -> int:
        return sum(
            one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in psutil.Process().net_connections("tcp4")
        )

    limits = DoorLimits(unread_s=0.3, leaving_s=0.2)
    async with upstream(cut) as legacy, gateway(legacy.url, limits=limits, reach=NEVER_OPEN) as served:
        clients = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(100)]
        for number, client in enumerate(clients):
            size = 2_000_000 + number * 30_000  # the end of some does not fit into the kernel
            client.send(b"POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" % size)
        await until(lambda: len(legacy.received) == len(clients))
        await asyncio.sleep(0.3)
        for client in clients:
            with suppress(OSError):
                client.send(b"no chunk\r\n")
        await until(lambda: open_ones(served.port) == 0)
        lost.set()
        for client in clients:
            client.close()
