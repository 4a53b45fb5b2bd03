"""A proxy that tells whom it speaks for before HTTP begins, and whoever only says so."""

import asyncio
import ipaddress
import struct
from contextlib import suppress

import pytest

from gateway.proxy.doorkeeper import DoorLimits
from tests.gateway.proxy.harness import OK, Reply, always, gateway, upstream
from tests.gateway.proxy.test_limits import hear

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V2_TCP4 = V2 + struct.pack("!BBH", 0x21, 0x11, 12) + bytes([9, 8, 7, 6, 127, 0, 0, 1]) + struct.pack("!HH", 1, 2)
V2_UNSPECIFIED = V2 + struct.pack("!BBH", 0x21, 0x00, 0)
V2_LOCAL = V2 + struct.pack("!BBH", 0x20, 0x00, 0)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"PROXY TCP4 9.8.7.6 127.0.0.1 4321 80\r\n", b"9.8.7.6"),
        (b"PROXY TCP6 2001:db8::7 ::1 4321 80\r\n", b"2001:db8::7"),
        (V2_TCP4, b"9.8.7.6"),
        (b"PROXY UNKNOWN\r\n", b"unknown"),
        (V2_UNSPECIFIED, b"unknown"),
    ],
)
async def test_legacy_sees_the_announced_client(header: bytes, client: bytes) -> None:
    """The address comes from the PROXY header; what that client claims of itself is not believed."""
    async with upstream(always(OK)) as legacy:
        async with gateway(legacy.url, trusted=LOOPBACK, announced=True) as served:
            assert (await hear(served.port, header + ASK)).status == 200
    assert legacy.received[0].values(b"x-forwarded-for") == [client]


async def test_a_header_may_come_in_pieces() -> None:
    """Cut at every byte, it is the same header."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, trusted=LOOPBACK, announced=True) as served:
        for cut in range(1, len(V2_TCP4)):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(V2_TCP4[:cut])
            await asyncio.sleep(0.002)
            writer.write(V2_TCP4[cut:] + ASK)
            async with asyncio.timeout(10):
                assert Reply(await reader.read()).status == 200
            writer.close()
    assert {request.values(b"x-forwarded-for")[0] for request in legacy.received} == {b"9.8.7.6"}


async def test_a_health_check_speaks_for_itself() -> None:
    """LOCAL names no client: the proxy itself asks, and is a trusted proxy as ever."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, trusted=LOOPBACK, announced=True) as served:
        assert (await hear(served.port, V2_LOCAL + ASK)).status == 200
    assert legacy.received[0].values(b"x-forwarded-for") == [b"6.6.6.6, 127.0.0.1"]


@pytest.mark.parametrize("said", [ASK, b"PROXY TCP4 a b c d\r\n" + ASK, V2[:8] + b"x" * 20, b""])
async def test_a_trusted_proxy_that_announces_nobody_is_cut(said: bytes) -> None:
    """Without the header, with a bad one, or with none in time, nothing is asked of anybody."""
    limits = DoorLimits(head_s=0.2)
    async with upstream(always(OK)) as legacy:
        async with gateway(legacy.url, trusted=LOOPBACK, announced=True, limits=limits) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(said)
            async with asyncio.timeout(10):
                with suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
    assert legacy.received == []


async def test_a_stranger_announces_nobody() -> None:
    """Who is no trusted proxy is served as it is, and its PROXY header is bad HTTP."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, announced=True) as served:
        assert (await hear(served.port, ASK)).status == 200
        assert (await hear(served.port, b"PROXY TCP4 9.8.7.6 127.0.0.1 1 2\r\n" + ASK)).status == 400
    assert [request.values(b"x-forwarded-for") for request in legacy.received] == [[b"127.0.0.1"]]
