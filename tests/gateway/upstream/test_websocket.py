"""A handshake goes out as it came, and whatever a side makes of it is an answer or a failure."""

import asyncio
import base64
import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.failure import Failure
from gateway.message import Headers, OutboundRequest, Side
from gateway.upstream import reach
from gateway.upstream.http import HttpTransport
from gateway.upstream.websocket import Declined, Opened, open_websocket
from tests.gateway.proxy.harness import Answer, Received, always, until, upstream
from tests.gateway.upstream.certificates import Authority

HEADERS: Headers = ((b"host", b"shop.test"), (b"origin", b"http://shop.test"))
NO = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-a: \xe9\r\n\r\nno"


async def opened(
    url: str, target: bytes = b"/ws", headers: Headers = HEADERS, *, timeout_s: float = 10
) -> Opened | Declined | Failure:
    """What comes of a handshake."""
    asked = OutboundRequest("GET", target, headers, None, "http", "10.0.0.1")
    way = HttpTransport(url, side=Side.LEGACY)
    try:
        return await open_websocket(way, Side.LEGACY, asked, subprotocols=[], timeout_s=timeout_s)
    finally:
        await way.aclose()


def accept(request: Received) -> bytes:
    """The head of an accepted handshake (RFC 6455 section 4.2.2)."""
    (key,) = request.values(b"sec-websocket-key")
    digest = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: " + digest + b"\r\n\r\n"
    )


@pytest.mark.parametrize(
    "target",
    [b"/ws?", b"/ws#f", b"//evil.test/ws", b"/ws[x", b"/a%2Fb/../c?x=%20", b"/ws;x=1?y", b"*", b"/" + b"a" * 9000],
)
@pytest.mark.parametrize("host", [b"shop.test", b"Shop.Test:80", b"a/admin?x=", b"u:p@evil", b"a:99999", b""])
async def test_legacy_is_asked_for_the_target_and_host_that_came(target: bytes, host: bytes) -> None:
    """No host or target reads as another one, none adds credentials, and nothing is rewritten."""
    async with upstream(always(NO)) as legacy:
        assert isinstance(await opened(legacy.url, target, ((b"host", host),)), Declined)
    (asked,) = legacy.received
    assert asked.line == b"GET " + target + b" HTTP/1.1"
    assert asked.values(b"host") == [host]
    assert asked.values(b"authorization") == []


async def test_every_header_of_the_client_travels_in_its_place() -> None:
    """Order, duplicates and bytes are kept; only what each connection says for itself is made anew."""
    sent: Headers = (
        (b"host", b"shop.test"),
        (b"cookie", b"a=1"),
        (b"sec-websocket-protocol", b"v2 , v1"),
        (b"origin", b"null"),
        (b"authorization", b"Bearer x"),
        (b"cookie", b"b=\xc3\xa9"),
        (b"user-agent", b""),
        (b"x-long", b"a" * 9000),
    )
    own = ((b"sec-websocket-key", b"mine"), (b"sec-websocket-version", b"8"), (b"sec-websocket-extensions", b"x"))
    async with upstream(always(NO)) as legacy:
        await opened(legacy.url, headers=(*own, *sent))
    (asked,) = legacy.received
    assert asked.headers[: len(sent)] == list(sent)
    assert [name for name, _ in asked.headers[len(sent) :]] == [
        b"upgrade",
        b"connection",
        b"sec-websocket-key",
        b"sec-websocket-version",
    ]
    assert asked.values(b"sec-websocket-version") == [b"13"]
    assert asked.values(b"sec-websocket-key") != [b"mine"]


@pytest.mark.parametrize(
    ("target", "header"),
    [
        (b"/ws", (b"x", b"a\r\nx: b")),
        (b"/ws", (b"x", b"a\nb")),
        (b"/ws", (b"x", b"a\x00b")),
        (b"/ws", (b"x\r\ny", b"a")),
        (b"/ws", (b"x y", b"a")),
        (b"/ws", (b"", b"a")),
        (b"/ws", (b"content-length", b"30")),
        (b"/ws HTTP/1.1\r\nx: y\r\n\r\n", (b"x", b"a")),
        (b"/w s", (b"x", b"a")),
        (b"/w\x00s", (b"x", b"a")),
        ("/é".encode(), (b"x", b"a")),
        (b"", (b"x", b"a")),
    ],
)
async def test_a_handshake_that_would_not_stay_one_is_refused(target: bytes, header: tuple[bytes, bytes]) -> None:
    """Nobody writes a second header, or a second request, with the first; the side is not even asked."""
    async with upstream(always(NO)) as legacy:
        assert await opened(legacy.url, target, (*HEADERS, header)) is Failure.BAD_REQUEST
    assert legacy.received == []


async def test_a_refusal_keeps_its_headers() -> None:
    """Duplicates and bytes of a plain answer are what the client gets."""
    async with upstream(always(NO)) as legacy:
        declined = await opened(legacy.url)
    assert isinstance(declined, Declined)
    assert (declined.status, declined.body) == (401, b"no")
    assert declined.headers[1:] == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-a", b"\xe9"))


async def test_a_redirect_is_the_clients() -> None:
    """The gateway follows none."""
    raw = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/evil\r\ncontent-length: 0\r\n\r\n"
    async with upstream(always(raw)) as legacy:
        declined = await opened(legacy.url)
    assert isinstance(declined, Declined)
    assert declined.status == 302


async def hang_up(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (hang_up, Failure.LEGACY_RESET),
        (always(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), Failure.LEGACY_BAD_ANSWER),
        (always(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Failure.LEGACY_BAD_ANSWER),
        (always(b"HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), Failure.LEGACY_BAD_ANSWER),
        (always(b"HTTP/1.1 101 x\r\nconnection: \x00\r\n\r\n"), Failure.LEGACY_BAD_ANSWER),
        (always(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"), Failure.LEGACY_BAD_ANSWER),
        (always(b"a" * 100_000), Failure.LEGACY_BAD_ANSWER),
    ],
)
async def test_what_is_no_answer_to_a_handshake_is_a_failure(answer: Answer, failure: Failure) -> None:
    """A side that hangs up or talks nonsense is told by its name, and nothing escapes."""
    async with upstream(answer) as legacy:
        assert await opened(legacy.url) is failure


async def test_a_side_that_does_not_answer_in_time_is_hung_up_on() -> None:
    """Past its time the handshake is given up and its connection is closed."""
    async with upstream(always(b"")) as legacy:
        assert await opened(legacy.url, timeout_s=0.2) is Failure.LEGACY_TIMEOUT
        async with asyncio.timeout(10):
            await legacy.lost.wait()


async def test_a_side_that_is_not_there_is_unreachable(free_port: int) -> None:
    """Nobody listens."""
    assert await opened(f"http://127.0.0.1:{free_port}") is Failure.LEGACY_UNREACHABLE


@pytest.mark.parametrize("trusted", [True, False])
async def test_https_means_a_certificate_that_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """A side behind https is reached by TLS when its certificate is trusted, and not reached at all when it is not."""
    own = Authority(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(own.file))
    reach.trust.cache_clear()
    server = await asyncio.start_server(_accept_one, "127.0.0.1", 0, ssl=own.server("127.0.0.1"))
    try:
        answer = await opened(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert isinstance(answer, Opened) if trusted else answer is Failure.LEGACY_UNREACHABLE
        if isinstance(answer, Opened):
            answer.socket.transport.abort()
    finally:
        reach.trust.cache_clear()
        server.close()


async def test_a_socket_is_opened_wherever_the_side_can_be_reached(tmp_path: Path, free_port: int) -> None:
    """An address that refuses is passed over, and a socket's file is an address."""
    path = tmp_path / "legacy.sock"
    by_file = await asyncio.start_unix_server(_accept_one, path)
    by_port = await asyncio.start_server(_accept_one, "127.0.0.1", 0)
    port = by_port.sockets[0].getsockname()[1]
    for url in (f"unix:{path}", f"http://127.0.0.1:{free_port},http://127.0.0.1:{port}"):
        answer = await opened(url)
        assert isinstance(answer, Opened)
        answer.socket.transport.abort()
    await until(lambda: len(asyncio.all_tasks()) == 1)  # the servers' ends have seen it
    by_file.close()
    by_port.close()


async def _accept_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(accept(Received((await reader.readuntil(b"\r\n\r\n"))[:-4])))
    with suppress(ConnectionError):
        await reader.read()
    writer.close()
