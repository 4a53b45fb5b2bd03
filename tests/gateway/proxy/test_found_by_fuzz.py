"""What `make fuzz` has found at the door, as whoever met it would tell it."""

import asyncio

import pytest

from tests.gateway.proxy.harness import OK, Received, Reply, always, gateway, read_body, upstream
from tests.gateway.proxy.test_door import HEAD, code, raw


@pytest.mark.parametrize(
    ("framing", "sent"),
    [(b"Content-Length: 5", b"hello"), (b"Transfer-Encoding: chunked", b"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n")],
)
@pytest.mark.parametrize("pause_s", [0.0, 0.02])
async def test_an_upload_that_offers_http2_keeps_its_body(framing: bytes, sent: bytes, pause_s: float) -> None:
    """Java's client offers h2c with every request: its body arrives, and what follows it is not read as one."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    head = b"POST / HTTP/1.1\r\n" + HEAD + offer + framing + b"\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, head, sent + b"GET /next HTTP/1.1\r\n" + HEAD + b"\r\n", pause_s=pause_s)
    assert Reply(answer).status == 200
    assert [request.body for request in legacy.received] == [b"hello"]


async def test_nothing_is_answered_after_a_refusal() -> None:
    """A refused request in the middle of a pipeline ends it: what came behind it has reached nobody."""
    good, bad = b"GET /%d HTTP/1.1\r\n" + HEAD + b"\r\n", b"GET /2 HTTP/1.1\r\nHost: a b\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, good % 1 + bad + good % 3)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 400") == 1
    assert [request.target for request in legacy.received] == [b"/1"]


async def test_a_trailer_does_not_silence_a_connection() -> None:
    """`Connection: close` behind a body is refused; the request after it does not wait for ever."""
    first = b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, first + b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert code(answer) == (400, "bad_request")
    assert legacy.received == []


async def test_a_head_in_two_pieces_is_not_larger_than_one_in_one() -> None:
    """The limit of a head holds however it is cut."""
    head = b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"y" * 65_536 + b"\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        for at in (100, 40_000, 65_500, len(head) - 1):
            assert code(await raw(served.port, head[:at], head[at:])) == (431, "head_too_large")
    assert legacy.received == []


async def test_a_trailer_without_end_is_cut() -> None:
    """Trailers that drip in for ever are not gathered: the connection ends, and legacy's request with it."""

    async def read(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.write(OK)

    head = b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: "
    async with upstream(read) as legacy, gateway(legacy.url) as served:
        answer = await raw(served.port, head, *[b"y" * 20_000] * 6)
    assert code(answer)[0] in (400, 431)
    assert [request.body for request in legacy.received] == [b"hi"]
    assert legacy.lost.is_set()
