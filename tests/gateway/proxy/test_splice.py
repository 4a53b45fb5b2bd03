"""On the edge a WebSocket is a pair of bytes: what one end sends is what the other end reads, frame by frame."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from gateway.message import Side
from gateway.relay.breaker import Rules
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.upstream.http import HttpTransport
from gateway.upstream.reach import Reach
from tests.gateway.proxy import harness
from tests.gateway.proxy.harness import OK, Received, Reply, Upstream, always, route, until, upstream
from tests.gateway.proxy.sockets import HANDSHAKE, KEY, SWITCH, Legacy, dial, frame, socket
from tests.gateway.upstream.certificates import Authority

ON_BOTH_LOOPS = True

# what passes


async def test_fragments_and_the_pings_between_them_pass_as_they_are() -> None:
    """Nobody joins fragments or answers a ping on the way, in either direction, however the bytes are cut."""
    message = b"".join(
        (
            frame(0x1, "Grü".encode(), fin=False),
            frame(0x9, b"are you there"),
            frame(0x0, b"", fin=False),
            frame(0xA, b"unasked"),
            frame(0x0, "ße".encode()),
        )
    )
    async with socket() as ends:
        client, origin = ends.client, ends.origin
        for at in range(len(message)):
            client[1].write(message[at : at + 1])
            await asyncio.sleep(0)
        assert await origin[0].readexactly(len(message)) == message
        back = frame(0x2, b"a" * 200, fin=False, masked=False) + frame(0x9, masked=False) + frame(0x0, masked=False)
        origin[1].write(back)
        assert await client[0].readexactly(len(back)) == back


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xc1\x81\x00\x00\x00\x00a",  # RSV1 without an extension
        b"\x83\x80\x00\x00\x00\x00",  # a reserved opcode
        b"\x81\x01a",  # not masked
        b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"p" * 126,  # a ping of 126 bytes
        b"\x09\x80\x00\x00\x00\x00",  # half a ping
        b"\x80\x80\x00\x00\x00\x00",  # goes on where nothing began
        b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # not UTF-8
        b"\x88\x81\x00\x00\x00\x00\x03",  # half a close code
        *(b"\x88\x82\x00\x00\x00\x00" + struct.pack("!H", code) for code in (0, 999, 1004, 1005, 1006, 1015, 5000)),
        b"\x81\xff" + b"\xff" * 8 + b"\x00" * 4,  # 2**64 - 1 bytes
        b"not a frame at all\r\n\r\n",
    ],
)
async def test_what_no_client_should_send_is_legacys_to_judge(wrong: bytes) -> None:
    """Invalid frames arrive as they were sent, and so does what legacy says to them."""
    async with socket() as ends:
        client, origin = ends.client, ends.origin
        client[1].write(wrong)
        assert await origin[0].readexactly(len(wrong)) == wrong
        verdict = frame(0x8, struct.pack("!H", 1002) + b"protocol error", masked=False)
        origin[1].write(verdict)
        origin[1].close()
        assert await client[0].read() == verdict


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
async def test_close_codes_are_both_ends_own(code: int) -> None:
    """The client's code is legacy's to hear, legacy's is the client's."""
    heard: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handle(socket: ServerConnection) -> None:
        await socket.wait_closed()
        heard.set_result(socket.close_code)

    async with serve(handle, "127.0.0.1", 0) as server:
        async with harness.gateway(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as served:
            async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None) as client:
                await client.close(code, "done")
            async with asyncio.timeout(30):
                assert await heard == code
    assert client.close_code == code


async def test_compression_and_keys_are_between_the_ends() -> None:
    """permessage-deflate is negotiated by client and legacy, with their own keys, and stays compressed on the way."""
    asked: list[ServerConnection] = []

    async def handle(socket: ServerConnection) -> None:
        asked.append(socket)
        async for message in socket:
            await socket.send(message)

    async with serve(handle, "127.0.0.1", 0, compression="deflate") as server:
        async with harness.gateway(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as served:
            async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None, compression="deflate") as client:
                await client.send("x" * 100_000)
                assert await client.recv() == "x" * 100_000
                assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
                assert asked[0].protocol.extensions
                request, seen = client.request, asked[0].request
                assert request is not None
                assert seen is not None
                for name in ("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"):
                    assert seen.headers[name] == request.headers[name]


async def test_a_frame_of_8_mib_stays_one_frame() -> None:
    """Both ways, byte for byte."""
    payload = os.urandom(2**23)
    up, down = frame(0x2, payload), frame(0x2, payload, masked=False)
    async with socket() as ends:
        client, origin = ends.client, ends.origin
        client[1].write(up)
        assert await origin[0].readexactly(len(up)) == up
        origin[1].write(down)
        assert await client[0].readexactly(len(down)) == down


# the handshake


async def test_legacy_is_asked_what_the_client_asked() -> None:
    """The handshake's own headers as they were, this hop's anew, the client's claims removed, ours added."""
    handshake = HANDSHAKE.replace(b"Upgrade: websocket\r\nConnection: Upgrade", (
        b"Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade, X-Private\r\nX-Private: 1\r\nX-Forwarded-For: 9.9.9.9"
        b"\r\nSec-WebSocket-Protocol: v2, v1\r\nSec-WebSocket-Protocol: v0\r\nOrigin: https://evil.test"
    ))  # fmt: skip
    async with upstream(always(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n")) as up:
        async with harness.gateway(up.url) as served:
            reader, writer = await dial(served.port, handshake.replace(b"GET /ws ", b"GET /w%2Fs?a=1&&b "))
            assert (await reader.read()).startswith(b"HTTP/1.1 403 No")
            writer.close()
    request = up.received[0]
    assert request.line == b"GET /w%2Fs?a=1&&b HTTP/1.1"
    assert request.values(b"sec-websocket-key") == [KEY]
    assert request.values(b"sec-websocket-version") == [b"13"]
    assert request.values(b"sec-websocket-protocol") == [b"v2, v1", b"v0"]
    assert request.values(b"origin") == [b"https://evil.test"]
    assert (request.values(b"upgrade"), request.values(b"connection")) == ([b"WebSocket"], [b"Upgrade"])
    assert request.values(b"x-private") == []
    assert request.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert len(request.values(b"x-request-id")) == len(request.values(b"via")) == 1


async def test_the_101_is_passed_on_with_what_came_with_it() -> None:
    """Phrase, order, spelling and duplicates are legacy's; this hop's headers are made anew; ours are added."""
    first = frame(0x1, b"hello", masked=False)
    answer = SWITCH.replace(b"Switching Protocols", b"As You Wish").replace(
        b"Connection: Upgrade\r\n",
        b"X-Tail: 1\r\nKeep-Alive: 5\r\nConnection: upgrade, x-h\r\nX-H: 1\r\nx-tail: 2\r\n",
    )
    async with upstream(always(answer + first)) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port)
        head = await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(first)) == first
        writer.close()
        await until(up.lost.is_set)
    lines = head.split(b"\r\n")
    assert lines[:3] == [b"HTTP/1.1 101 As You Wish", b"Upgrade: websocket", b"Connection: Upgrade"]
    assert lines[3:6] == [b"X-Tail: 1", b"x-tail: 2", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    assert [line.partition(b":")[0] for line in lines[6:8]] == [b"x-request-id", b"x-strangler-side"]


async def test_what_a_client_says_early_waits_for_the_101() -> None:
    """It is held within bounds, goes nowhere when nobody wants it, and arrives first when the socket opens."""
    opened, asked = asyncio.Event(), asyncio.Event()
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    early = frame(0x2, b"e" * 20_000_000)

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await opened.wait()
        assert not reader._buffer  # type: ignore[attr-defined]
        writer.write(SWITCH)
        got.set_result(await reader.readexactly(len(early)))

    async with upstream(answer) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port, HANDSHAKE + early[:100])
        writer.write(early[100:])
        async with asyncio.timeout(30):
            await asked.wait()
            await asyncio.sleep(0.3)
            assert writer.transport.get_write_buffer_size() > 5_000_000  # the rest is in sockets, and 64 KiB with us
            opened.set()
            assert await got == early
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 401 Who Are You\r\ncontent-length: 3\r\nWWW-Authenticate: Basic\r\n\r\nwho", b"who"),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n4\r\n you\r\n0\r\n\r\n", b"not you"),
        (b"HTTP/1.1 503 Later\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 426 Upgrade Required\r\nconnection: close\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"x" * 3_000_000),
    ],
)
async def test_a_refusal_is_the_plain_answer_it_is(answer: bytes, body: bytes) -> None:
    """Status, phrase, headers and body are legacy's; then the connection ends, also when the client talks on."""

    async def once(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if b"content-length" not in answer and b"chunked" not in answer:
            writer.close()

    async with upstream(once) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port, HANDSHAKE + frame(0x1, b"early"))
        writer.write(frame(0x1, b"x" * 100_000))
        async with asyncio.timeout(10):
            reply = Reply(await reader.read())
        writer.close()
    status, phrase = answer.split(b"\r\n")[0].split(b" ", 2)[1:]
    assert reply.raw.startswith(b"HTTP/1.1 %b %b\r\n" % (status, phrase))
    assert whole_body(reply) == body
    assert (reply.values(b"connection"), reply.values(b"x-strangler-side")) == ([b"close"], [b"legacy"])
    assert reply.values(b"upgrade") == []
    if status == b"401":
        assert reply.values(b"www-authenticate") == [b"Basic"]
        assert b"\r\nWWW-Authenticate: Basic\r\n" in reply.raw
    if status == b"302":
        assert reply.values(b"location") == [b"/elsewhere"]


def whole_body(reply: Reply) -> bytes:
    """The body by its framing; AssertionError when it is not whole."""
    if reply.values(b"transfer-encoding"):
        rest, body = reply.body, b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if int(size, 16) == 0:
                assert rest == b"\r\n"
                return body
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    for length in reply.values(b"content-length"):
        assert len(reply.body) == int(length)
    return reply.body


@pytest.mark.parametrize(
    "answer", [b"content-length: 100\r\n\r\nshort", b"transfer-encoding: chunked\r\n\r\n64\r\nshort"]
)
async def test_a_refusal_that_breaks_off_does_not_look_whole(answer: bytes) -> None:
    """The client's connection ends within the body."""

    async def cut(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 No\r\n" + answer)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()

    async with upstream(cut) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 No")
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()


async def test_a_client_that_leaves_within_a_refusal_is_not_legacys_fault(caplog: pytest.LogCaptureFixture) -> None:
    """Legacy is let go of at once, and no failure is told of it."""

    async def endless(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n")
        await reader.readexactly(1)

    async with upstream(endless) as up, harness.gateway(up.url, timeout_s=60, idle_timeout_s=60) as served:
        reader, writer = await dial(served.port)
        await reader.readuntil(b"not")
        writer.close()
        async with asyncio.timeout(10):
            await up.lost.wait()
    assert [record.message for record in caplog.records if record.name == "strangler"] == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (SWITCH.replace(b"websocket", b"h2c"), "legacy_bad_answer"),
        (b"HTTP/1.1 101 Hm\r\n\r\n", "legacy_bad_answer"),
        (b"SSH-2.0-OpenSSH\r\n", "legacy_bad_answer"),
        (SWITCH.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 200_000), "legacy_bad_answer"),
        (b"", "legacy_reset"),
    ],
)
async def test_what_is_no_answer_is_a_502(answer: bytes, code: str) -> None:
    """The client gets the gateway's own answer with its code, never half a handshake."""

    async def wrong(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if not answer:
            writer.close()

    async with upstream(wrong) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port)
        async with asyncio.timeout(10):
            reply = Reply(await reader.read())
        writer.close()
    assert reply.status == 502
    told = json.loads(reply.body)
    assert (told["code"], [told["request_id"].encode()]) == (code, reply.values(b"x-request-id"))


async def test_a_legacy_that_hangs_up_at_once_is_a_502() -> None:
    """However early it is gone: before it is asked, while it is, after."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with harness.gateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as served:
        for _ in range(3):
            reader, writer = await dial(served.port)
            async with asyncio.timeout(10):
                assert (await reader.read()).startswith(b"HTTP/1.1 502 ")
            writer.close()
    server.close()


async def test_a_handshake_that_is_not_answered_is_a_504() -> None:
    """The time for the head of the answer is the route's, and legacy's connection does not stay behind."""

    async def silent(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async with upstream(silent) as up, harness.gateway(up.url, timeout_s=0.2) as served:
        reader, writer = await dial(served.port)
        async with asyncio.timeout(10):
            reply = Reply(await reader.read())
            await up.lost.wait()
        writer.close()
    assert (reply.status, json.loads(reply.body)["code"]) == (504, "legacy_timeout")


@pytest.mark.parametrize("early", [b"", b"x" * 200_000])
async def test_a_client_that_leaves_during_the_handshake_takes_legacys_connection_with_it(early: bytes) -> None:
    """At once, also when it has talked so much that nobody listens to it any more."""

    async def silent(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async with upstream(silent) as up, harness.gateway(up.url, timeout_s=60) as served:
        _, writer = await dial(served.port, HANDSHAKE + early)
        await until(lambda: len(up.received) == 1)
        writer.close()
        async with asyncio.timeout(10):
            await up.lost.wait()


async def test_a_client_that_leaves_during_the_handshake_is_no_miss_of_legacys() -> None:
    """Nobody knows what legacy would have said: it is asked as before."""

    async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    reach = Reach(breaker=Rules(misses=2, open_s=30))
    async with upstream(hang) as legacy, harness.gateway(legacy.url, reach=reach) as served:
        transport = served.gateway.transports[Side.LEGACY]
        assert isinstance(transport, HttpTransport)
        for number in range(1, 5):
            _, writer = await dial(served.port)
            await until(lambda wanted=number: len(legacy.received) == wanted)  # type: ignore[misc]  # bound now
            writer.transport.abort()
            await until(lambda: transport.pool.figures().addresses[0].connections == 0)
        assert transport.pool.figures().misses == {}
        legacy.answer = always(OK)
        assert (await harness.ask(served.port, harness.get("/"))).status == 200


async def test_a_target_in_absolute_form_cannot_name_another_host() -> None:
    """Whoever asks for one host in the target and another in Host is refused, and legacy hears nothing of it."""
    async with upstream(Legacy()) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port, HANDSHAKE.replace(b"/ws", b"http://other.test/ws"))
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    assert up.received == []


@pytest.mark.parametrize("name", [b"POST", b"DELETE"])
async def test_a_handshake_is_a_get(name: bytes) -> None:
    """Any other method is refused (RFC 6455 section 4.1)."""
    async with upstream(Legacy()) as up, harness.gateway(up.url) as served:
        reader, writer = await dial(served.port, HANDSHAKE.replace(b"GET", name))
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    assert up.received == []


async def test_a_side_behind_tls_is_spliced_as_well(tmp_path: Path) -> None:
    """Its certificate is checked like any other; frames, large ones and its close code arrive, and its end does."""

    async def handle(socket: ServerConnection) -> None:
        async for message in socket:
            if message == "close":
                await socket.close(4_002, "as told")
                return
            await socket.send(message)

    own = Authority(tmp_path)
    async with serve(handle, "127.0.0.1", 0, ssl=own.server("127.0.0.1"), max_size=None) as server:
        url = f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with harness.gateway(url, reach=Reach(ca=own.file)) as served:
            async with connect(f"ws://127.0.0.1:{served.port}/", proxy=None, max_size=None) as client:
                for message in ("x" * 3_000_000, b"\x00\xff"):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send("close")
                await client.wait_closed()
            assert (client.close_code, client.close_reason) == (4_002, "as told")
            left = await connect(f"ws://127.0.0.1:{served.port}/", proxy=None)
            left.transport.write_eof()
            async with asyncio.timeout(30):
                await left.wait_closed()
            await until(lambda: served.gateway.ledger.websockets == 0)
        async with harness.gateway(url) as served:
            reader, writer = await dial(served.port)
            assert (await reader.readline()).split()[1] == b"502"
            writer.close()


async def test_a_side_behind_a_sockets_file_is_spliced_as_well(tmp_path: Path) -> None:
    """There is no TCP to keep alive there, and no reset."""
    legacy = Upstream(Legacy())
    server = await asyncio.start_unix_server(legacy.serve, tmp_path / "legacy.sock")
    async with harness.gateway(f"unix:{tmp_path}/legacy.sock") as served:
        client = await dial(served.port)
        assert (await client[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert isinstance(legacy.answer, Legacy)
        origin = await legacy.answer.opened.get()
        origin[1].write(frame(0x1, b"hello", masked=False))
        origin[1].transport.abort()
        assert await client[0].read() == frame(0x1, b"hello", masked=False)
        client[1].close()
        legacy.answer.over.set()
        await until(lambda: served.gateway.ledger.websockets == 0)
    server.close()


# flips


async def test_a_flip_leaves_open_sockets_where_they_began() -> None:
    """The flag decides the handshake; what is open stays, what comes next goes to the other side."""
    legacy, new = Legacy(), Legacy()
    flag = Flag("socket", stage=Stage.LEGACY)
    async with upstream(legacy) as old_up, upstream(new) as new_up:
        async with harness.gateway(
            old_up.url, new=new_up.url, routes=[route("socket", "GET /ws")], flags=[flag]
        ) as served:
            first = await dial(served.port)
            head = await first[0].readuntil(b"\r\n\r\n")
            assert b"x-strangler-side: legacy" in head
            origin = await legacy.opened.get()
            served.flag(Flag("socket", stage=Stage.NEW))
            second = await dial(served.port)
            assert b"x-strangler-side: new" in await second[0].readuntil(b"\r\n\r\n")
            first[1].write(frame(0x1, b"still here"))
            assert await origin[0].readexactly(16) != b""
            for _, writer in (first, second):
                writer.transport.abort()
            legacy.over.set()
            new.over.set()
    assert (len(old_up.received), len(new_up.received)) == (1, 1)
    assert Side.NEW in served.gateway.origins
