"""How many may come, how much they may say at once, and what they hear when it is too much."""

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

import pytest

from gateway.failure import Failure
from gateway.proxy.door import Door
from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.self_check import fault_of
from tests.gateway.proxy.harness import OK, Received, Reply, always, ask, gateway, get, until, upstream

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hear(port: int, said: bytes) -> Reply:
    """Say something and read until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(10):
        answer = Reply(await reader.read())
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("limits", "failure"),
    [
        (DoorLimits(guests=2), Failure.TOO_MANY_CLIENTS),
        (DoorLimits(guests_of_one=2), Failure.TOO_MANY_FROM_CLIENT),
    ],
)
async def test_one_connection_too_many_is_told_so(limits: DoorLimits, failure: Failure) -> None:
    """The third of two is refused with a code and Retry-After; when one has left, the next is welcome."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        kept = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        for reader, writer in kept:
            writer.write(HELLO)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        refused = await hear(served.port, HELLO)
        assert (refused.status, json.loads(refused.body)["code"]) == (failure.status, failure.code)
        assert refused.values(b"retry-after") == [b"1"]
        for _, writer in kept:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while (await ask(served.port, get("/"))).status != 200:  # noqa: ASYNC110 - it asks anew each time
                await asyncio.sleep(0.02)
    assert all(request.target == b"/" for request in legacy.received)


@pytest.mark.parametrize(
    ("limits", "said", "code"),
    [
        (DoorLimits(head_fields=10), "".join(f"X-{number}: 1\r\n" for number in range(10)), "head_too_large"),
        (DoorLimits(head_bytes=2_000), f"X: {'a' * 2_000}\r\n", "head_too_large"),
        (DoorLimits(target_bytes=300), "", "target_too_long"),
    ],
)
async def test_a_limit_is_what_it_is_set_to(limits: DoorLimits, said: str, code: str) -> None:
    """Heads and targets are held to the limits of the settings, not to the defaults."""
    head = f"GET /{'a' * 350} HTTP/1.1\r\nHost: a\r\n{said}\r\n".encode()
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        assert json.loads((await hear(served.port, head)).body)["code"] == code
        assert (await ask(served.port, get("/"))).status == 200
    assert len(legacy.received) == 1


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    """Who says nothing for `keep_alive_s` is let go, before the first request and after it."""
    limits = DoorLimits(keep_alive_s=0.2)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        assert (await hear(served.port, b"")).raw == b""
        assert (await hear(served.port, HELLO)).status == 200
        await until(lambda: len(legacy.received) == 1)


class Moved(Door):
    """A door over another uvicorn: something it leans on is not there any more."""

    def on_headers_complete(self) -> None:
        raise AttributeError("pipeline")


class Mute(Door):
    """A door that answers nobody."""

    def start(self, exchange: Any) -> None:
        pass


def test_a_front_that_does_not_work_is_found_out() -> None:
    """The self-check passes the door as it is, and names what is wrong with others."""
    assert fault_of(Door) is None
    assert fault_of(Moved) is not None
    assert fault_of(Mute) == "it answers otherwise"


async def test_a_client_that_takes_nothing_of_its_answer_is_let_go() -> None:
    """Its answer would hold a connection to legacy, and memory, for ever."""

    async def endless(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    limits = DoorLimits(unread_s=0.3)
    async with upstream(endless) as legacy, gateway(legacy.url, limits=limits) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        writer.write(HELLO)
        async with asyncio.timeout(10):
            await legacy.lost.wait()
        writer.close()


async def test_a_client_that_reads_slowly_gets_all_of_its_answer() -> None:
    """Whoever reads at all is waited for, however long the whole takes."""
    body = b"y" * 12_000_000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    limits = DoorLimits(unread_s=0.6, keep_alive_s=0.6)
    async with upstream(always(answer)) as legacy, gateway(legacy.url, limits=limits) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        writer.write(HELLO)
        got = 0
        async with asyncio.timeout(30):
            while chunk := await reader.read(1_000_000):
                got += len(chunk)
                await asyncio.sleep(0.01)
        writer.close()
    assert got > len(body)


async def sized(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As many bytes as the target says."""
    size = int(request.target[1:])
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_a_client_that_pauses_gets_the_end_of_its_answer(connection: bytes) -> None:
    """What ends an idle connection, or one after its last answer, waits for what the client has not read yet."""
    limits = DoorLimits(keep_alive_s=0.2, leaving_s=0.2)

    async def pausing(port: int, size: int) -> int:
        loop, got = asyncio.get_running_loop(), b""
        with socket.create_connection(("127.0.0.1", port)) as client, suppress(ConnectionError):
            client.setblocking(False)
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: %b\r\n\r\n" % (size, connection))
            await asyncio.sleep(1.2)
            while chunk := await loop.sock_recv(client, 2**20):
                got += chunk
        return len(Reply(got).body)

    sizes = range(
        2_000_000, 6_000_000, 100_000
    )  # some leave their last bytes with the gateway, the rest with the kernel
    async with upstream(sized) as legacy, gateway(legacy.url, limits=limits) as served:
        assert await asyncio.gather(*(pausing(served.port, size) for size in sizes)) == [*sizes]


@pytest.mark.parametrize("at_once", [1, 100])
async def test_a_client_that_asks_and_never_reads_is_asked_for_nothing(at_once: int) -> None:
    """Small answers, one after the other, would fill the memory as a large one would."""
    asked = b"GET /100000 HTTP/1.1\r\nHost: a\r\n\r\n"
    async with upstream(sized) as legacy, gateway(legacy.url) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        for _ in range(300 // at_once):
            writer.write(asked * at_once)
            await asyncio.sleep(0.005 * at_once)
        assert 0 < len(legacy.received) < 200
        writer.transport.abort()


async def test_half_a_head_behind_an_answer_is_cut_as_any_other() -> None:
    """Its time runs on, also when the client made the answer before it wait."""
    limits = DoorLimits(head_s=0.5)
    async with upstream(sized) as legacy, gateway(legacy.url, limits=limits) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=64 * 1024)
        writer.write(b"GET /8000000 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost:")
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(8_000_000)
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


@pytest.mark.parametrize(
    ("before", "requests"),
    [
        (HELLO * 60, 61),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000, 2),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n" * 300 + b"0\r\n\r\n", 2),
    ],
    ids=["heads", "length", "chunks"],
)
async def test_half_a_head_is_not_weighed_with_what_came_before_it(before: bytes, requests: int) -> None:
    """Who sends many requests in a row has the last one cut anywhere; a head that is too long is still refused."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=DoorLimits(head_bytes=1024)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(before + HELLO[:9])
        await until(lambda: len(legacy.received) == requests - 1)
        writer.write(HELLO[9:])
        async with asyncio.timeout(10):
            for _ in range(requests):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()
        said = before + HELLO[:-2] + b"X: " + b"x" * 1024
        assert (await hear(served.port, said + b"\r\n\r\n")).raw.count(b"HTTP/1.1 200") < requests


async def test_what_comes_behind_a_last_request_does_not_cost_its_answer() -> None:
    """A connection that is closed with bytes unread is reset, and a reset takes the answer with it."""
    body = b"z" * 300_000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    more = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"u" * 4_000_000
    async with upstream(always(answer)) as legacy, gateway(legacy.url) as served:
        reply = await hear(served.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + more)
    assert reply.body == body
    assert [request.line for request in legacy.received] == [b"GET / HTTP/1.1"]


async def test_an_origin_that_hangs_up_on_an_upload_is_heard_at_once() -> None:
    """It takes no more of the body, so nothing would end the exchange but a timeout."""

    async def leaves(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await asyncio.sleep(8)

    upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n" + b"u" * 30_000_000
    async with upstream(leaves) as legacy, gateway(legacy.url, idle_timeout_s=60, timeout_s=60) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(upload)
        async with asyncio.timeout(6):
            line = await reader.readline()
        writer.transport.abort()
    assert line == b"HTTP/1.1 502 Bad Gateway\r\n"
