"""An answer that is gathered by callbacks says what one that is observed says, whatever the side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Side
from gateway.upstream.gathering import Gathering, gather
from gateway.upstream.http import HttpTransport
from gateway.upstream.observe import observe
from tests.gateway.proxy.harness import OK, Received, Upstream, read_body, until, upstream

CAP = 300_000
HEAD = b"HTTP/1.1 200 OK\r\nx-a: 1\r\n"
READY = b"/ready"


def request(target: bytes = b"/a", method: str = "GET", body: bytes | None = None) -> OutboundRequest:
    """A copy."""
    return OutboundRequest(method, target, ((b"host", b"new"),), body, "http", "::1", commit=False)


def sized(length: int) -> bytes:
    """A head with a length, and so long a body."""
    return HEAD + b"content-length: %d\r\n\r\n" % length + b"x" * length


ANSWERS: dict[str, bytes] = {
    "small": sized(2),
    "empty": sized(0),
    "nothing to say": b"HTTP/1.1 204 No Content\r\n\r\n",
    "unchanged": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 999999999\r\n\r\n",
    "large": sized(290_000),
    "as large as may be": sized(CAP),
    "announced too large": HEAD + b"content-length: 999999999\r\n\r\n" + b"x" * 100,
    "in chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n",
    "too large in chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65_536 + b"\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + sized(2),
    "no HTTP": b"nonsense\r\n\r\n",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nab",
}


def in_pieces(raw: bytes, size: int) -> list[bytes]:
    """Cut."""
    return [raw[begin:end] for begin, end in pairwise([*range(0, len(raw), size), len(raw)])]


@asynccontextmanager
async def side(
    answer: Callable[[Received, asyncio.StreamWriter], object],
) -> AsyncIterator[tuple[HttpTransport, Upstream]]:
    """A side with one connection that is idle; `answer` may write, or give something to wait for."""

    async def answering(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        if received.target == READY:
            writer.write(OK)
            return
        waited = answer(received, writer)
        if asyncio.iscoroutine(waited):
            await waited

    async with upstream(answering) as origin:
        transport = HttpTransport(origin.url, side=Side.NEW)
        try:
            await observe(Side.NEW, transport, request(READY), timeout_s=5, cap=CAP)
            yield transport, origin
        finally:
            await transport.aclose()


async def gathered(transport: HttpTransport, copy: OutboundRequest, *, timeout_s: float = 5.0) -> Observation | None:
    """What is gathered."""
    told: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()
    assert gather(Side.NEW, transport, copy, timeout_s=timeout_s, cap=CAP, tell=told.set_result) is not None
    async with asyncio.timeout(20):
        return await told


@pytest.mark.parametrize("size", [1_000_000, 1_000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_it_says_what_an_observation_says(name: str, method: str, size: int) -> None:
    """In one piece or in many, ended by a close where it has no end of its own."""
    raw = (
        ANSWERS[name] if method == "GET" or name == "no HTTP" else ANSWERS[name].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    )

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        for piece in in_pieces(raw, size):
            writer.write(piece)
            await asyncio.sleep(0)
        if "too large" in name:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n" if "chunks" in name else b"x")
            writer.close()

    async with side(answer) as (transport, _):
        mine = await gathered(transport, request(method=method))
        theirs = await observe(Side.NEW, transport, request(method=method), timeout_s=5, cap=CAP)
        assert mine is not None
        assert mine._replace(elapsed_ms=0) == theirs._replace(elapsed_ms=0)
        assert transport.pool.figures().busy == 0


async def test_an_answer_that_goes_on_for_ever_is_left_at_the_cap() -> None:
    """No more of it is held than may be kept, and its connection is closed."""

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with side(answer) as (transport, _):
        came = await gathered(transport, request())
        assert came is not None
        assert (came.status, came.body, came.truncated, came.failure) == (200, b"", True, None)
        await until(lambda: (transport.pool.figures().busy, transport.pool.figures().idle) == (0, 0))


@pytest.mark.parametrize("begins", [True, False])
async def test_a_side_that_does_not_end_has_its_time(begins: bool) -> None:
    """Also one that drips: the time is for the whole answer. A side that says nothing counts for its breaker."""

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        while begins and not writer.is_closing():
            writer.write(HEAD + b"content-length: 1000\r\n\r\n" if not writer.is_closing() else b"")
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.02)
        await asyncio.Event().wait()

    async with side(answer) as (transport, _):
        came = await gathered(transport, request(), timeout_s=0.6)
        assert came is not None
        assert (came.failure, came.truncated) == (Failure.NEW_TIMEOUT, begins)
        assert sum(transport.pool.figures().misses.values()) == (0 if begins else 1)


async def test_an_answer_that_breaks_off_is_cut() -> None:
    """What came of it can be compared with nothing."""

    def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"content-length: 1000\r\n\r\nabc")
        writer.close()

    async with side(answer) as (transport, _):
        came = await gathered(transport, request())
        assert came is not None
        assert (came.failure, came.truncated, came.body) == (Failure.NEW_RESET, True, b"")


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False)])
async def test_a_connection_that_was_dead_says_nothing_of_the_side(method: str, again: bool) -> None:
    """A safe request may be sent on another one; whether it does is for who asked. Any other has been sent."""

    def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with side(answer) as (transport, _):
        came = await gathered(transport, request(method=method))
        assert (came is None) is again
        assert came is None or came.failure is Failure.NEW_RESET


async def test_a_body_is_sent_with_it() -> None:
    """A search asks by POST."""

    def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(sized(len(received.body)))

    async with side(answer) as (transport, origin):
        came = await gathered(transport, request(method="POST", body=b'{"a":1}'))
        assert came is not None
        assert came.body == b"x" * 7
        assert origin.received[-1].body == b'{"a":1}'


async def test_without_an_idle_connection_nothing_is_sent() -> None:
    """Nor for what no line can hold, or what asks before it sends."""

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    def at_once(copy: OutboundRequest) -> Gathering | None:
        return gather(Side.NEW, transport, copy, timeout_s=5, cap=CAP, tell=told.append)

    told: list[Observation | None] = []
    async with side(answer) as (transport, origin):
        asks_first = request(method="POST", body=b"a")._replace(headers=((b"expect", b"100-continue"),))
        assert at_once(asks_first) is None
        assert at_once(request(b"/a b")) is None
        first = at_once(request())
        assert first is not None
        assert at_once(request()) is None
        await until(lambda: len(origin.received) == 2)
        first.abandon()
        assert transport.pool.figures().busy == 0
    assert told == []
