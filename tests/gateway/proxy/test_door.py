"""What the door lets in, judged at both ends of the wire."""

import asyncio
import json
import re
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect

from gateway.message import Side
from gateway.proxy.doorkeeper import DoorLimits
from gateway.upstream.http import HttpTransport
from tests.gateway.proxy.harness import (
    OK,
    Received,
    Reply,
    Served,
    always,
    ask,
    gateway,
    get,
    read_body,
    until,
    upstream,
)
from tests.gateway.proxy.test_websocket import echo

HEAD = b"Host: shop.test\r\n"


async def raw(port: int, *segments: bytes, pause_s: float = 0.05) -> bytes:
    """Send segments as they are and read until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        for segment in segments:
            writer.write(segment)
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def code(answer: bytes) -> tuple[int, str]:
    """Status and code of the gateway's own answer."""
    reply = Reply(answer)
    return reply.status, str(json.loads(reply.body)["code"])


def busy(served: Served) -> int:
    """Connections to legacy that somebody still holds."""
    transport = served.gateway.transports[Side.LEGACY]
    assert isinstance(transport, HttpTransport)
    return 0 if transport._pool is None else len(transport._pool._busy)


async def warm(served: Served) -> None:
    """Have an idle connection to legacy, so that a request can leave at once."""
    await ask(served.port, get("/warm"))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: identity\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + HEAD + b"Content-Length: +5\r\n\r\nhello",
        b"GET /pay HTTP/1.1\r\n\r\n",
        b"GET /pay HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /pay HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /pay HTTP/1.1\r\nHost: a b/c?d@e\r\n\r\n",
        b"GET /pay HTTP/1.1\r\nHost: u:p@evil\r\n\r\n",
        b"GET http://evil/pay HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /pay HTTP/2.0\r\n" + HEAD + b"\r\n",
        b"GET /pay\r\n\r\n",
        b"GET /pay HTTP/1.1\r\n" + HEAD + b"X: a\x00b\r\n\r\n",
        b"GET /pay HTTP/1.1\r\n" + HEAD + b"Bad Name: 1\r\n\r\n",
        b"GET /pay HTTP/1.1\r\n" + HEAD + b"X: 1\r\n folded\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n",
    ],
)
async def test_what_is_refused_reaches_nobody(request_bytes: bytes) -> None:
    """A request that gets 400 has not been sent to legacy, not even in part, and the connection ends."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await warm(served)
        answer = await raw(served.port, request_bytes)
        seen = len(legacy.received)
    assert code(answer) == (400, "bad_request")
    assert seen == 1


async def test_a_broken_second_chunk_does_not_complete_the_request() -> None:
    """When the fault comes later than the first part, legacy's request is cut, never ended."""
    completed: list[Received] = []

    async def read(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        completed.append(request)
        writer.write(OK)

    first = b"POST /pay HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with upstream(read) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, first, b"zz\r\nhello\r\n0\r\n\r\n")
        await until(legacy.lost.is_set)
    assert code(answer) == (400, "bad_request")
    assert completed == []


async def test_garbage_after_a_request_takes_nothing_from_it() -> None:
    """A whole request is answered although nonsense follows it, and then the connection ends."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, b"GET /a HTTP/1.1\r\n" + HEAD + b"\r\nGARBAGE\r\n\r\n")
        assert Reply(answer).status == 200
        assert answer.endswith(b"ok")
        assert len(legacy.received) == 1


async def test_pipelined_garbage_never_costs_a_place_in_the_pool() -> None:
    """Two requests and nonsense in one segment, many times: every connection to legacy is given back."""

    async def slow(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(OK)

    segment = b"GET /slow HTTP/1.1\r\n" + HEAD + b"\r\nGET /b HTTP/1.1\r\n" + HEAD + b"\r\nGARBAGE\r\n\r\n"
    async with upstream(slow) as legacy, gateway(legacy.url) as served:
        answers = await asyncio.gather(*(raw(served.port, segment) for _ in range(20)))
        await until(lambda: busy(served) == 0)
        assert (await ask(served.port, get("/next"))).status == 200
    assert all(answer.count(b"HTTP/1.1 200") == 2 for answer in answers)


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Three requests in one segment get three answers, in their order."""

    async def echo_target(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05 if request.target == b"/1" else 0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n" + request.target)

    heads = [b"GET /%d HTTP/1.1\r\n%b" % (number, HEAD) for number in (1, 2)]
    segment = b"\r\n".join([*heads, b"GET /3 HTTP/1.1\r\nConnection: close\r\n" + HEAD]) + b"\r\n"
    async with upstream(echo_target) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, segment)
    assert [part[-2:] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("pipelined", [1, 2])
async def test_a_client_that_leaves_frees_legacy_also_when_it_pipelined(pipelined: int) -> None:
    """Legacy's connection ends as soon as the client's, however many requests it had sent."""

    async def silent(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"never")

    async with upstream(silent) as legacy, gateway(legacy.url, timeout_s=60) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write((b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n") * pipelined)
        await until(lambda: busy(served) == 1)
        writer.transport.abort()
        async with asyncio.timeout(10):
            await legacy.lost.wait()
        await until(lambda: busy(served) == 0)


async def test_trailers_do_not_become_headers() -> None:
    """Fields after a chunked body never reach legacy as part of the head (RFC 9110 section 6.5.1)."""
    body = b"2\r\nhi\r\n0\r\nAuthorization: Bearer evil\r\nX-User: admin\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await raw(
            served.port,
            b"POST / HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body,
        )
    assert legacy.received[0].body == b"hi"
    assert b"evil" not in legacy.received[0].head
    assert b"admin" not in legacy.received[0].head


async def test_heads_are_limited() -> None:
    """Too many fields or bytes are 431, a long target is 414; nothing reaches legacy and the next client is served."""
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(101))
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        assert code(await raw(served.port, b"GET / HTTP/1.1\r\n" + HEAD + many + b"\r\n")) == (431, "head_too_large")
        big = b"X: " + b"a" * 70_000
        assert code(await raw(served.port, b"GET / HTTP/1.1\r\n" + HEAD + big)) == (431, "head_too_large")
        long = b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n"
        assert code(await raw(served.port, long)) == (414, "target_too_long")
        assert legacy.received == []
        large = get("/", "X: " + "a" * 60_000)
        assert (await ask(served.port, large)).status == 200


async def test_a_head_that_never_ends_is_cut() -> None:
    """A half-sent head is answered 408 after its time, also when it drips."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=DoorLimits(head_s=0.2)) as served:
        answer = await raw(served.port, b"GET / HTTP/1.1\r\n", b"X-", b"A", b": ", b"1", pause_s=0.03)
    assert code(answer) == (408, "head_too_slow")
    assert legacy.received == []


async def test_a_client_of_http_1_0_can_read_the_answer() -> None:
    """No chunks for a client that knows none: the body ends with the connection."""
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    async with upstream(always(chunked)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, b"GET / HTTP/1.0\r\n\r\n")
    assert b"chunked" not in answer
    assert Reply(answer).body == b"hello"
    assert legacy.received[0].values(b"host") == [legacy.url.removeprefix("http://").encode()]


@pytest.mark.parametrize("status", [b"304 Not Modified", b"204 No Content"])
async def test_an_answer_without_a_body_may_say_its_length(status: bytes) -> None:
    """Content-Length on 204 and 304 passes, and the connection stays usable (RFC 9110 section 15.4.5)."""
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 9\r\n\r\n"
    async with upstream(always(answer)) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            async with asyncio.timeout(30):
                head = await reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: 9" in head
        writer.close()
    assert len(legacy.received) == 2


async def test_an_absolute_target_keeps_its_lone_question_mark() -> None:
    """The origin form of an absolute target is its own bytes from the path on."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        for target in (b"http://shop.test/p?", b"HTTP://Shop.Test", b"http://shop.test?a=1"):
            await raw(served.port, b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n")
    assert [request.target for request in legacy.received] == [b"/p?", b"/", b"/?a=1"]


async def test_a_header_that_only_looks_like_framing_is_dropped() -> None:
    """Underscore twins of framing headers and of the gateway's own never reach an app that may read them alike."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await ask(served.port, get("/", "Content_Length: 5", "Transfer_Encoding: chunked", "X_Request_Id: forged"))
    assert b"_" not in legacy.received[0].head


async def test_a_websocket_with_a_large_cookie_opens() -> None:
    """A session cookie above the library's own limit of 8 KiB is an ordinary handshake."""
    async with echo() as (url, asked), gateway(url) as served:
        cookie = {"Cookie": "sid=" + "a" * 12_000}
        async with connect(f"ws://127.0.0.1:{served.port}/", additional_headers=cookie, proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
    assert asked[0].headers["Cookie"] == cookie["Cookie"]


async def test_a_websocket_handshake_with_a_body_is_refused() -> None:
    """A handshake that announces a body is 400 and does not hang, nor keeps the gateway from stopping."""
    handshake = (
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n" + HEAD + b"\r\nhello"
    )
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        assert code(await raw(served.port, handshake)) == (400, "bad_request")
    assert legacy.received == []


async def test_a_plain_upgrade_is_not_offered() -> None:
    """A request that wishes for h2c is answered in HTTP/1.1, and what follows it is not read as something else."""
    wish = b"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, wish + HEAD + b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert Reply(answer).status == 200
    assert len(legacy.received) == 1
    assert legacy.received[0].values(b"upgrade") == []


async def test_an_upload_is_not_mistaken_for_a_request() -> None:
    """A request within a body stays a body, whatever the method."""
    inner = b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"

    async def read(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.write(OK)

    async with upstream(read) as legacy, gateway(legacy.url) as served:
        for method in (b"GET", b"DELETE", b"OPTIONS", b"POST"):
            head = method + b" / HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n" % len(inner)
            await raw(served.port, head + HEAD + b"\r\n" + inner)
    assert [request.body for request in legacy.received] == [inner] * 4


@pytest.mark.parametrize("wants", [True, False])
async def test_a_body_is_only_asked_for_when_legacy_wants_it(wants: bool) -> None:
    """Expect: 100-continue is legacy's to answer: 100 reaches the client after legacy's, a final answer at once."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not wants:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
            return
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await read_body(request, reader)
        writer.write(OK)

    head = b"POST / HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with upstream(answer) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head)
        async with asyncio.timeout(30):
            first = await reader.readuntil(b"\r\n\r\n")
            if wants:
                assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
                writer.write(b"hello")
                first = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert Reply(first).status == (200 if wants else 403)
    assert (Reply(first).values(b"connection") == [b"close"]) is not wants
    assert len(legacy.received) == 1
    assert legacy.received[0].body == (b"hello" if wants else b"")
    assert legacy.received[0].values(b"expect") == [b"100-continue"]


async def test_a_legacy_that_ignores_expect_gets_the_body_all_the_same() -> None:
    """After a second without a word the body is sent, as curl does."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await ask(served.port, b"POST / HTTP/1.1\nExpect: 100-continue\nContent-Length: 5", b"hello")
    assert b" 200 OK" in answer.raw
    assert legacy.received[0].body == b"hello"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"HEAD /a HTTP/1.1\r\n\r\n",  # no host
        b"HEAD /a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"HEAD /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HEAD /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_head_that_is_refused_gets_no_body(request_bytes: bytes) -> None:
    """Its answer ends with the empty line (RFC 9110 section 9.3.2): what follows would be read as another answer."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, request_bytes)
        assert re.match(rb"HTTP/1.1 4\d\d ", answer)
        assert int(re.findall(rb"content-length: (\d+)", answer)[0])
        assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("at_once", [True, False], ids=["parsed", "at a glance"])
async def test_a_get_behind_a_head_is_refused_with_a_body(at_once: bool) -> None:
    """One request more than its client may send, and a line that is none: each is told in words."""
    limits = DoorLimits(rate_of_one=0.001, burst_of_one=1) if not at_once else DoorLimits()
    second = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" if not at_once else b"\x00\x01"
    async with upstream(always(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")) as legacy:
        async with gateway(legacy.url, limits=limits) as served:
            answers = await raw(served.port, b"HEAD /a HTTP/1.1\r\nHost:a\r\n\r\n", second)
    assert code(answers[answers.rindex(b"HTTP/1.1") :])[0] == (400 if at_once else 429)
