"""How often a client may ask: so many at once, so many a second, and 429 for one too many, which reaches nobody."""

import asyncio
import json
from contextlib import suppress
from ipaddress import ip_network

import pytest

from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.rate import MOST, Rate
from tests.gateway.proxy.harness import OK, Reply, always, gateway, upstream

TWO = DoorLimits(rate_of_one=0.001, burst_of_one=2)
PLAIN = b"GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\n"
REQUESTS = {
    "plain": PLAIN,
    "odd": b"GET /a HTTP/1.1\r\nHost:shop.test \r\n\r\n",
    "upload": b"POST /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello",
    "handshake": b"GET /a HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}


def test_a_burst_is_let_through_and_then_one_for_each_gap() -> None:
    """Three at once at two a second, then one every half second; whoever waits has a whole burst again."""
    rate = Rate(2.0, 3)
    assert [rate.exceeded("a", 10.0) for _ in range(4)] == [False, False, False, True]
    assert [rate.exceeded("a", at) for at in (10.4, 10.5, 10.6, 11.0, 11.4)] == [True, False, True, False, True]
    assert [rate.exceeded("a", 20.0) for _ in range(4)] == [False, False, False, True]
    assert not rate.exceeded("b", 20.0)


def test_no_number_of_clients_fills_the_memory() -> None:
    """Who has not asked lately is forgotten first."""
    rate = Rate(1.0, 1)
    for number in range(MOST):
        assert not rate.exceeded(f"early {number}", 0.0)
    assert not rate.exceeded("late", 2.0)
    assert len(rate._due) == 1
    for number in range(MOST + 10):
        assert not rate.exceeded(f"again {number}", 2.0)
    assert len(rate._due) <= MOST


async def last_of(port: int, *requests: bytes) -> Reply:
    """What the last of some requests on one connection is told, up to the connection's end or a moment of silence."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests[:-1]:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\nok")
        writer.write(requests[-1])
        async with asyncio.timeout(30):
            raw = await reader.read(65_536)
        with suppress(TimeoutError):
            while piece := await asyncio.wait_for(reader.read(65_536), 0.3):
                raw += piece
        return Reply(raw)
    finally:
        writer.close()


@pytest.mark.parametrize("kind", REQUESTS)
async def test_one_too_many_is_told_so_and_reaches_nobody(kind: str) -> None:
    """Whatever it is, on a connection of its own or the same one; the answer says when to come again."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=TWO) as served:
        for before in ([PLAIN, PLAIN], []):
            told = await last_of(served.port, *before, REQUESTS[kind])
            assert (told.status, json.loads(told.body)["code"]) == (429, "too_many_requests")
            assert told.values(b"retry-after") == [b"1"]
            assert told.values(b"connection") == [b"close"]
        assert [request.target for request in legacy.received] == [b"/a", b"/a"]


async def test_of_three_at_once_two_are_answered() -> None:
    """What was asked rightly before is answered in turn."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=TWO) as served:
        told = await last_of(served.port, PLAIN + PLAIN + PLAIN)
        assert told.raw.count(b"HTTP/1.1 200 OK") == 2
        assert len(legacy.received) == 2


async def test_clients_behind_a_trusted_proxy_are_counted_each() -> None:
    """The one that it names counts, on one connection or many; a stranger's word does not make another client."""
    loopback = [ip_network("127.0.0.0/8")]

    def of(client: str) -> bytes:
        return PLAIN[:-2] + f"X-Forwarded-For: {client}\r\n\r\n".encode()

    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=TWO, trusted=loopback) as served:
        both = [of("9.9.9.1"), of("9.9.9.2"), of("9.9.9.1"), of("9.9.9.2")]
        assert (await last_of(served.port, *both)).status == 200
        assert (await last_of(served.port, of("9.9.9.2"))).status == 429
        assert (await last_of(served.port, of("9.9.9.3"))).status == 200
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=TWO) as served:
        assert (await last_of(served.port, of("9.9.9.1"), of("9.9.9.2"), of("9.9.9.3"))).status == 429
