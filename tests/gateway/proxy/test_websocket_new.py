"""A WebSocket on stage new belongs to the app in this process, and its failures are answers."""

import asyncio
import re
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, always, gateway, route, upstream
from tests.gateway.proxy.sockets import HANDSHAKE, frame
from tests.gateway.proxy.test_door import raw


async def test_a_new_side_that_speaks_websockets_answers() -> None:
    """On stage new the handshake belongs to the app in this process."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"] + " from new"})
        await send({"type": "websocket.close", "code": 1000})

    feed = route("feed", "GET /feed")
    flag = Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        async with connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello from new"
    assert legacy.received == []


async def test_compression_is_declined() -> None:
    """A client that offers permessage-deflate is answered without it: a small frame would be a large message here."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "x" * 1000})

    feed = route("feed", "GET /feed")
    flag = Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        async with connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None, compression="deflate") as socket:
            assert socket.protocol.extensions == []
            assert await socket.recv() == "x" * 1000


async def test_a_route_on_new_without_a_new_side_is_a_plain_502() -> None:
    """A WebSocket gets the same answer as a request would: its new side is missing."""
    feed, flag = route("feed", "GET /feed"), Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag]) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None)
    assert refused.value.response.status_code == 502
    assert b"new_missing" in (refused.value.response.body or b"")
    assert legacy.received == []


@pytest.mark.parametrize("ending", [SystemExit(3), RuntimeError("s3cret"), asyncio.CancelledError(), None], ids=repr)
async def test_a_new_side_that_fails_before_the_handshake_is_a_plain_502(ending: BaseException | None) -> None:
    """Raising and returning without a word are an answer with a code, and the gateway lives."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if ending is not None:
            raise ending

    feed, flag = route("feed", "GET /feed"), Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None)
            assert refused.value.response.status_code == 502
            assert b"new_crashed" in (refused.value.response.body or b"")


BEHIND = b"GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\n"


@pytest.mark.parametrize("version", [b"13", b"777"])
async def test_what_comes_behind_a_handshake_that_is_declined_does_not_cost_its_answer(
    version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that took its request for a plain one and asks on hears no or 4xx: the connection was just dropped."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    feed, flag = route("feed", "GET /ws"), Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        answer = await raw(served.port, HANDSHAKE.replace(b"Version: 13", b"Version: " + version) + BEHIND)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)
    assert answer.count(b"HTTP/1.1") == 1
    assert not [line for line in caplog.records if line.levelname == "ERROR"]


async def test_frames_that_come_before_the_handshake_is_answered_are_read_after_it() -> None:
    """However many: beyond 64 KiB their client waits."""
    size = 200_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0.05)
        await send({"type": "websocket.accept"})
        for _ in range(2):
            message = await receive()
            await send({"type": "websocket.send", "text": str(len(message["bytes"]))})

    feed, flag = route("feed", "GET /ws"), Flag("feed", stage=Stage.RETIRED)
    early = frame(0x2, b"a" * size) + frame(0x2, b"b")
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(HANDSHAKE + early)
        await reader.readuntil(b"\r\n\r\n")
        sizes = frame(0x1, str(size).encode(), masked=False) + frame(0x1, b"1", masked=False)
        assert await reader.readexactly(len(sizes)) == sizes
        writer.close()


async def test_a_new_side_that_fails_later_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    """An open socket is closed as an internal error, and what was raised is not in the log."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise RuntimeError("s3cret")

    feed, flag = route("feed", "GET /feed"), Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        async with connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("pieces", [[b"\xff\xfe"], [b"ok \xce", b"\xff"]], ids=["at once", "in pieces"])
async def test_text_that_is_none_ends_the_socket_and_fills_no_log(
    pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """1007, as RFC 6455 section 8.1 has it; good text in pieces that split a letter arrives."""
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            heard.append(message.get("text"))

    feed, flag = route("feed", "GET /ws"), Flag("feed", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[feed], flags=[flag], new=app) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        good, last = [b"\xc3", b"\xa9"], len(pieces) - 1
        sent = [frame(0x1, good[0], fin=False), frame(0x0, good[1])]
        sent += [frame(0x0 if at else 0x1, piece, fin=at == last) for at, piece in enumerate(pieces)]
        writer.write(HANDSHAKE + b"".join(sent))
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == frame(0x8, (1007).to_bytes(2, "big"), masked=False)
        writer.close()
    assert heard == ["é"]
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
