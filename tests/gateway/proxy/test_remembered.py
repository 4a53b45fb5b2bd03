"""What clients send again is remembered; what they invent must not fill the memory, or keep others out of it."""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from gateway.proxy.hop import Kinds
from tests.gateway.proxy.harness import OK, always, gateway, upstream

LONG, REQUESTS = 60_000, 100


@pytest.fixture
def traced() -> Iterator[None]:
    """Allocations are counted."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize(
    "lines", [b"Host: %b", b"Host: a\r\n%b: 1", b"Host: a\r\nX: %b", b"Host: a\r\nX-Forwarded-For: %b, 203.0.113.9"]
)
async def test_long_fields_are_forgotten(lines: bytes, trusted: bool, traced: None) -> None:
    """Each client sends another one, as long as a head may be."""
    networks = [ip_network("127.0.0.0/8")] if trusted else []
    async with upstream(always(OK)) as legacy, gateway(legacy.url, trusted=networks) as served:

        async def ask_all(who: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            for number in range(REQUESTS):
                invented = who + b"%d" % number + b"a" * LONG
                writer.write(b"GET / HTTP/1.1\r\n" + lines % invented + b"\r\n\r\n")
                await reader.readuntil(b"\r\n\r\nok")
            writer.close()
            await writer.wait_closed()
            legacy.received.clear()

        await ask_all(b"a")  # what is made once
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await ask_all(b"b")
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    assert after - before < REQUESTS * LONG / 4


def test_invented_names_keep_no_other_out() -> None:
    """A name that comes after thousands of them is looked at once, as any other."""
    asked: list[bytes] = []

    def kind_of(name: bytes) -> int:
        asked.append(name)
        return 1

    kinds = Kinds(kind_of)
    for number in range(10_000):
        assert kinds[b"x-%d" % number] == 1
    asked.clear()
    for _ in range(3):
        assert kinds[b"accept"] == 1
    assert asked == [b"accept"]


async def test_an_idle_connection_keeps_no_large_head(traced: None) -> None:
    """Thousands of clients may be idle; what each said last is not kept for the next request."""
    connections = []
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:

        async def ask(line: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(line + b"\r\nHost: a\r\nX: " + b"a" * LONG + b"\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\nok")
            connections.append((reader, writer))
            legacy.received.clear()

        await ask(b"POST / HTTP/1.1")
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(REQUESTS // 2):
            await ask(b"POST / HTTP/1.1")
            await ask(b"GET / HTTP/1.1")
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        for _, writer in connections:
            writer.close()
    assert after - before < REQUESTS * LONG / 2
