"""A WebSocket's connection is one of its address's: what becomes of a handshake counts there like any request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.message import Side
from gateway.relay.breaker import Rules, State
from gateway.relay.figures import AddressFigures, PoolFigures
from gateway.upstream.http import HttpTransport
from gateway.upstream.reach import Reach
from tests.gateway.proxy.harness import Answer, Received, Reply, Served, ask, gateway, get, until
from tests.gateway.proxy.sockets import HANDSHAKE, SWITCH, Streams, dial
from tests.gateway.relay.places import Place, black_hole, places

ON_BOTH_LOOPS = True
RULES = Rules(misses=3, open_s=30)


def figures(served: Served) -> PoolFigures:
    """Of the connections to legacy."""
    transport = served.gateway.transports[Side.LEGACY]
    assert isinstance(transport, HttpTransport)
    return transport.pool.figures()


def address(served: Served, place: Place) -> AddressFigures:
    """Of one address."""
    return next(one for one in figures(served).addresses if one.name == f"{place.host}:{place.port}")


def urls(*sides: Place) -> str:
    """The setting that names them all."""
    return ",".join(f"http://{place.host}:{place.port}" for place in sides)


async def hang_up(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing and leave."""
    writer.transport.abort()


async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing and stay."""
    await reader.read()


def switches(answer: bytes = SWITCH) -> Answer:
    """Accept every handshake, and stay until the other end leaves."""

    async def accept(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = b"".join(request.values(b"sec-websocket-key"))
        writer.write(answer.replace(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept_of(key)))
        await reader.read()

    return accept


def accept_of(key: bytes) -> bytes:
    """What proves that a handshake was understood (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


@asynccontextmanager
async def shaken(served: Served) -> AsyncIterator[tuple[int, Streams]]:
    """A handshake: the status that a client gets, and its connection."""
    client = await dial(served.port)
    try:
        async with asyncio.timeout(10):
            head = await client[0].readuntil(b"\r\n\r\n")
        yield int(head.split(b" ")[1]), client
    finally:
        client[1].transport.abort()


async def status(served: Served) -> int:
    """What a client gets for a handshake."""
    async with shaken(served) as (code, _):
        return code


async def test_an_open_socket_is_a_connection_of_its_address() -> None:
    """It counts while it is open, and no longer."""
    async with places(switches()) as (legacy,), gateway(legacy.url) as served:
        async with shaken(served) as first, shaken(served) as second:
            assert (first[0], second[0]) == (101, 101)
            assert address(served, legacy).connections == 2
        await until(lambda: address(served, legacy).connections == 0)


async def test_sockets_are_spread_over_the_addresses() -> None:
    """The address with the fewest connections gets the next."""
    async with places(switches(), switches()) as both, gateway(urls(*both)) as served:
        async with shaken(served), shaken(served), shaken(served), shaken(served):
            assert [address(served, place).connections for place in both] == [2, 2]


async def test_an_address_that_refuses_is_passed_over() -> None:
    """The client hears nothing of it, and its breaker opens."""
    async with places(switches(), switches()) as (gone, legacy):
        gone.stop()
        async with gateway(urls(gone, legacy), reach=Reach(breaker=RULES)) as served:
            assert {await status(served) for _ in range(8)} == {101}
            assert address(served, gone).state is State.OPEN


async def test_an_address_that_says_nothing_is_passed_over() -> None:
    """The next one is tried beside it."""
    async with places(switches()) as (legacy,):
        with black_hole("127.0.0.2", 0) as port:
            async with gateway(f"http://127.0.0.2:{port},{urls(legacy)}") as served:
                assert {await status(served) for _ in range(3)} == {101}


async def test_an_address_that_hangs_up_on_a_handshake_is_passed_over() -> None:
    """Nothing was begun there: another address is asked, and the miss is counted."""
    async with places(hang_up, switches()) as (broken, legacy), gateway(urls(broken, legacy)) as served:
        assert {await status(served) for _ in range(4)} == {101}
        assert len(broken.received) >= 1
        assert figures(served).misses["reset"] == len(broken.received)


async def test_handshakes_that_are_not_answered_open_the_breaker() -> None:
    """As requests do: after so many in a row nobody is asked, and plain requests know it too."""
    async with places(hang_up) as (legacy,), gateway(legacy.url, reach=Reach(breaker=RULES)) as served:
        assert [await status(served) for _ in range(RULES.misses)] == [502] * RULES.misses
        assert address(served, legacy).state is State.OPEN
        assert await status(served) == 503
        assert (await ask(served.port, get("/"))).status == 503
        assert len(legacy.received) == RULES.misses


async def test_silence_after_a_handshake_is_a_miss() -> None:
    """A legacy that accepts and says nothing is in trouble, whatever it was asked for."""
    async with places(hang) as (legacy,), gateway(legacy.url, timeout_s=0.2) as served:
        assert await status(served) == 504
        assert figures(served).misses == {"timeout": 1}


@pytest.mark.parametrize("answer", [SWITCH, b"HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno"], ids=["101", "403"])
async def test_an_answer_closes_the_breaker(answer: bytes) -> None:
    """An accepted handshake and a refused one both prove that legacy is there."""
    rules = Rules(misses=3, open_s=0.1)
    async with places(hang_up) as (legacy,), gateway(legacy.url, reach=Reach(breaker=rules)) as served:
        for _ in range(rules.misses):
            await status(served)
        assert address(served, legacy).state is State.OPEN
        legacy.answer = switches(answer)
        await asyncio.sleep(0.2)
        assert await status(served) == int(answer.split(b" ")[1])
        assert address(served, legacy).state is State.CLOSED


async def test_retry_after_is_the_time_until_legacy_is_asked_again() -> None:
    """While the breaker is open, a request and a handshake are told to come back when it will not be."""
    rules = Rules(misses=1, open_s=20)
    async with places(hang_up) as (legacy,), gateway(legacy.url, reach=Reach(breaker=rules)) as served:
        assert (await ask(served.port, get("/"))).status == 502
        for request in (b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", HANDSHAKE):
            reader, writer = await dial(served.port, request)
            refused = Reply(await reader.readuntil(b"\r\n\r\n"))
            writer.close()
            assert refused.status == 503
            assert 14 <= int(refused.values(b"retry-after")[0]) <= 20
