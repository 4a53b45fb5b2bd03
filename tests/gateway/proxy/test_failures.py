"""What the client sees when something is wrong: a code and a sentence, or a cut, never a clean lie."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from gateway.failure import Failure
from tests.gateway.proxy.harness import (
    OK,
    Received,
    Reply,
    always,
    ask,
    gateway,
    get,
    read_body,
    until,
    upstream,
)


def refused(reply: Reply, failure: Failure) -> None:
    """Check that an answer is the gateway's own and names no address."""
    assert reply.status == failure.status
    said = json.loads(reply.body)
    assert said == {"error": failure.sentence, "code": failure.code, "request_id": "abc-1"}
    assert reply.values(b"x-request-id") == [b"abc-1"]
    assert reply.values(b"x-strangler-side") == []
    assert b"127.0.0.1" not in reply.raw


@pytest.mark.parametrize("request_bytes", [get("/"), b"GET / HTTP/1.1\r\nHost:\r\n\r\n"], ids=["failed", "refused"])
async def test_what_the_gateway_answers_itself_has_a_date(free_port: int, request_bytes: bytes) -> None:
    """One, and of now: whoever answers says when (RFC 9110 section 6.6.1)."""
    async with gateway(f"http://127.0.0.1:{free_port}") as served:
        [said] = (await ask(served.port, request_bytes)).values(b"date")
    assert abs(parsedate_to_datetime(said.decode()) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_legacy_down_is_502(free_port: int) -> None:
    """A refused connection is a 502 with a stable code and the request id."""
    async with gateway(f"http://127.0.0.1:{free_port}") as served:
        refused(await ask(served.port, get("/", "X-Request-Id: abc-1")), Failure.LEGACY_UNREACHABLE)


async def test_legacy_slow_is_504() -> None:
    """A legacy that takes the request and says nothing is a 504 within its time."""

    async def silent(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with upstream(silent) as legacy, gateway(legacy.url, timeout_s=0.3) as served:
        refused(await ask(served.port, get("/", "X-Request-Id: abc-1")), Failure.LEGACY_TIMEOUT)


async def test_legacy_talking_nonsense_is_502() -> None:
    """Bytes that are no HTTP are not passed on."""
    async with upstream(always(b"NOT HTTP AT ALL\r\n\r\n")) as legacy, gateway(legacy.url) as served:
        refused(await ask(served.port, get("/", "X-Request-Id: abc-1")), Failure.LEGACY_BAD_ANSWER)


async def test_legacy_hanging_up_on_a_write_is_502_and_not_repeated() -> None:
    """A POST that legacy may have acted on is never sent twice."""

    async def hang_up(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.transport.abort()

    async with upstream(hang_up) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, b"POST / HTTP/1.1\nX-Request-Id: abc-1\nContent-Length: 2", b"hi")
    refused(reply, Failure.LEGACY_RESET)
    assert len(legacy.received) == 1


async def test_a_kept_connection_that_died_is_no_error_for_a_read() -> None:
    """Node closes idle connections; a GET that meets the reset is sent once more."""

    async def once(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(legacy.received) % 2 == 0:
            writer.transport.abort()  # the second request on a connection meets a dead one
        else:
            writer.write(OK)

    async with upstream(once) as legacy, gateway(legacy.url) as served:
        replies = [await ask(served.port, get("/")) for _ in range(4)]
    assert [reply.status for reply in replies] == [200] * 4


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_a_cut_answer_is_cut_for_the_client(raw: bytes) -> None:
    """A body that broke off at legacy never ends cleanly at the client."""

    async def half(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    async with upstream(half) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/"))
    assert reply.status == 200
    assert b"hello" in reply.raw
    assert not reply.raw.endswith(b"0\r\n\r\n")
    assert reply.values(b"content-length") in ([b"50"], [])


async def test_an_answer_that_is_too_long_does_not_reach_the_next_client() -> None:
    """Bytes past the end of an answer are not the beginning of somebody else's."""
    twice = OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
    async with upstream(always(twice)) as legacy, gateway(legacy.url) as served:
        bodies = [(await ask(served.port, get("/"))).body for _ in range(3)]
    assert b"poison" not in b"".join(bodies)
    assert bodies[0] == b"ok"


async def test_a_request_that_comes_back_is_508() -> None:
    """A gateway that meets its own name in Via answers 508 and asks nobody."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        refused(await ask(served.port, get("/", "X-Request-Id: abc-1", "Via: 1.1 strangler-test")), Failure.LOOP)
    assert legacy.received == []


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\nHost: a\nHost: b",
        b"POST / HTTP/1.1\nContent-Length: 2\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\nContent-Length: 2\nContent-Length: 3",
    ],
)
async def test_what_two_readers_would_read_differently_is_refused(head: bytes) -> None:
    """Two hosts or two framings end here with 400, and nothing reaches legacy."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, head, b"hi")
    assert reply.status == 400
    assert legacy.received == []


async def test_a_client_that_leaves_frees_legacy() -> None:
    """When the client goes while legacy is thinking, legacy's connection is closed too."""
    thinking = asyncio.Event()

    async def think(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        thinking.set()
        await reader.readuntil(b"never")

    async with upstream(think) as legacy, gateway(legacy.url, timeout_s=60) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await thinking.wait()
        writer.close()
        async with asyncio.timeout(10):
            await legacy.lost.wait()
    assert len(legacy.received) == 1


async def test_a_client_that_leaves_mid_answer_frees_legacy() -> None:
    """An endless stream ends at legacy when its reader is gone."""

    async def drip(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"5\r\ntick\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with upstream(drip) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"tick")
        writer.close()
        await until(legacy.lost.is_set)


async def test_a_client_that_leaves_mid_upload_frees_legacy() -> None:
    """A half-sent body is never completed for legacy."""
    begun = asyncio.Event()

    async def take(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        begun.set()
        await reader.readexactly(95)

    async with upstream(take) as legacy, gateway(legacy.url, timeout_s=60, idle_timeout_s=60) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello")
        await begun.wait()
        writer.close()
        async with asyncio.timeout(10):
            await legacy.lost.wait()
