"""The end of a whole gateway: SIGTERM loses no request, takes its time within bounds, and a second one takes none."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.proxy.server import FRONTS
from tests.gateway.backends import Sides, sides
from tests.gateway.load import read_answer
from tests.gateway.running import Running, eventually, start_gateway


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Sides]:
    """Legacy, new, and a contract."""
    with sides(tmp_path) as served:
        yield served


@pytest.fixture
def drain_s() -> int:
    """How long requests under way have, unless a test says otherwise."""
    return 3


@pytest.fixture(params=FRONTS)
def gateway(
    both: Sides, database: str, drain_s: int, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Running]:
    """A gateway that gives requests under way that time, by either front."""
    options = (*both.options, "--database-url", database, "--drain-s", str(drain_s), "--front", request.param)
    running = start_gateway(*options, state=tmp_path / "state")
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGKILL)


def port(gateway: Running) -> int:
    """The data plane's."""
    return int(gateway.data.rpartition(":")[2])


def ended(gateway: Running, within: float = 30.0) -> int:
    """The exit code, once there is one."""
    assert gateway.process.stdout is not None
    gateway.process.stdout.close()
    return gateway.process.wait(within)


async def ask(gateway: Running, target: bytes) -> bytes:
    """One whole answer on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    with closing(writer):
        writer.write(b"GET %s HTTP/1.1\r\nHost: shop.test\r\n\r\n" % target)
        head, body = await read_answer(reader)
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body


async def test_sigterm_with_two_hundred_requests_under_way_fails_none(gateway: Running, both: Sides) -> None:
    """Each of them gets its whole answer, and then the process ends with 0."""
    asked = [asyncio.create_task(ask(gateway, b"/slow/1500")) for _ in range(200)]
    assert await asyncio.to_thread(eventually, lambda: both.legacy.under_way == 200)
    gateway.process.send_signal(signal.SIGTERM)
    assert set(await asyncio.gather(*asked)) == {b"legacy"}
    assert await asyncio.to_thread(ended, gateway) == 0


async def test_callers_in_the_backlog_are_served(gateway: Running) -> None:
    """Who has connected before the signal is answered, however late the process gets to accept it."""
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        clients = [socket.create_connection(("127.0.0.1", port(gateway))) for _ in range(100)]
        for client in clients:
            client.sendall(b"GET /who HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        gateway.process.send_signal(signal.SIGTERM)
    finally:
        gateway.process.send_signal(signal.SIGCONT)
    for client in clients:
        with client:
            client.settimeout(10)
            assert await asyncio.to_thread(client.recv, 4096) != b""
    assert await asyncio.to_thread(ended, gateway) == 0


async def test_a_kept_connection_is_answered_once_more_and_told_to_close(gateway: Running) -> None:
    """A request that was on its way when the signal came is no reset connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    with closing(writer):
        writer.write(b"GET /who HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        head, _ = await read_answer(reader)
        assert b"connection: close" not in head.lower()
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(eventually, lambda: refuses(gateway))
        writer.write(b"GET /who HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        head, body = await read_answer(reader)
        assert (head[:13], body) == (b"HTTP/1.1 200 ", b"legacy")
        assert b"connection: close" in head.lower()
        assert await reader.read() == b""
    assert await asyncio.to_thread(ended, gateway) == 0


def refuses(gateway: Running) -> bool:
    """Whether the gateway takes no new connections any more."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port(gateway))) != 0


async def test_a_stream_has_the_grace_time_and_is_then_cut(gateway: Running) -> None:
    """An endless answer goes on for `drain_s`, then it ends without the mark of a whole one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    with closing(writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        await reader.readuntil(b"tick")
        gateway.process.send_signal(signal.SIGTERM)
        begun, seen = time.monotonic(), b""
        try:
            while chunk := await reader.read(65536):
                seen += chunk
        except ConnectionResetError:
            pass  # how a cut is told
        assert 2.5 < time.monotonic() - begun < 20
        assert b"0\r\n\r\n" not in seen
    assert await asyncio.to_thread(ended, gateway) == 0


@pytest.fixture
async def streaming(gateway: Running) -> AsyncIterator[Running]:
    """A gateway with an endless answer under way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    with closing(writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        await reader.readuntil(b"tick")
        yield gateway


@pytest.mark.parametrize("drain_s", [60])
async def test_a_second_signal_ends_it_at_once(streaming: Running) -> None:
    """Whoever asks twice does not wait for anybody."""
    streaming.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(eventually, lambda: refuses(streaming))
    begun = time.monotonic()
    streaming.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(ended, streaming)
    assert time.monotonic() - begun < 20
