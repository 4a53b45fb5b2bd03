"""An ASGI app in this process is called as a server would call it: streaming, told of a client that leaves."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from gateway.failure import Failure
from gateway.message import BodyCut, ClientGone
from gateway.upstream import call
from gateway.upstream.inprocess import InProcess
from tests.gateway.upstream.asking import START, Receive, Send, answered, read, request


async def test_the_scope_says_what_was_asked() -> None:
    """Path decoded but for slashes, raw bytes beside it, the transaction's fate in an extension."""
    seen: MutableMapping[str, Any] = {}

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        seen.update(scope)
        await send(START)
        await send({"type": "http.response.body", "body": b"ok"})

    assert await read(await answered(app)) == b"ok"
    assert (seen["path"], seen["raw_path"], seen["query_string"]) == ("/a%2Fb", b"/a%2Fb", b"c=%20")
    assert seen["extensions"]["strangler.run"] == {"commit": True}
    assert seen["client"] == ("10.0.0.1", 0)


async def test_both_bodies_stream() -> None:
    """The app answers the first part before it is sent the second."""
    echoed = asyncio.Event()

    async def upload() -> AsyncIterator[bytes]:
        yield b"one"
        await echoed.wait()
        yield b"two"

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send(START)
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        await send({"type": "http.response.body"})

    chunks = []
    async for chunk in (await answered(app, upload())).body:
        chunks.append(chunk)
        echoed.set()
    assert chunks == [b"one", b"two"]


async def test_an_app_waits_for_a_slow_reader() -> None:
    """An endless answer is not collected in memory."""
    made = 0

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        nonlocal made
        await send(START)
        while True:
            made += 1
            await send({"type": "http.response.body", "body": b"x" * 16_384, "more_body": True})

    response = await answered(app)
    await asyncio.sleep(0.05)
    assert made < 10
    await response.close()
    await asyncio.sleep(0)


async def test_an_app_is_told_that_its_reader_left() -> None:
    """After the reader has gone `receive` says so and `send` raises OSError."""
    told: list[str] = []

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        told.append((await receive())["type"])
        try:
            await send({"type": "http.response.body", "body": b"late"})
        except OSError:
            told.append("OSError")

    response = await answered(app)
    await response.close()
    await asyncio.sleep(0.01)
    assert told == ["http.disconnect", "OSError"]


async def test_an_app_that_ignores_its_reader_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app may finish what it has begun, but not for ever."""
    monkeypatch.setattr(call, "GRACE_S", 0.05)
    ended = asyncio.Event()

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send(START)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await (await answered(app)).close()
    async with asyncio.timeout(8):
        await ended.wait()


async def test_an_app_that_is_too_slow_is_cancelled() -> None:
    """Past its time a handler is cancelled, which rolls its transaction back, and the failure has a name."""
    cancelled = asyncio.Event()

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert await InProcess(app).send(request(), timeout_s=0.05) is Failure.NEW_TIMEOUT
    async with asyncio.timeout(8):
        await cancelled.wait()


@pytest.mark.parametrize("raises", [True, False])
async def test_an_app_without_an_answer_has_crashed(raises: bool) -> None:
    """Raising and returning without an answer are the same failure."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if raises:
            raise RuntimeError("secret")

    assert await InProcess(app).send(request(), timeout_s=1) is Failure.NEW_CRASHED


async def test_an_app_that_stops_mid_answer_cuts_it() -> None:
    """What was sent is read, then the body is cut, never ended."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError

    body = (await answered(app)).body
    assert await anext(body) == b"half"
    with pytest.raises(BodyCut) as cut:
        await anext(body)
    assert cut.value.failure is Failure.NEW_CRASHED


@pytest.mark.parametrize("header", [(b"x", b"a\r\nset-cookie: b"), (b"x y", b"1"), (b"", b"1"), (b"x", b"\x00")])
async def test_an_app_cannot_write_two_headers_as_one(header: tuple[bytes, bytes]) -> None:
    """A header that would end its line early is a bad answer."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [header]})
        await send({"type": "http.response.body"})

    assert await InProcess(app).send(request(), timeout_s=1) is Failure.NEW_BAD_ANSWER


async def test_a_client_that_breaks_off_its_upload_is_not_the_apps_fault() -> None:
    """The body's own exception reaches the caller; the app sees a disconnect."""
    told: list[str] = []

    async def upload() -> AsyncIterator[bytes]:
        yield b"half"
        raise ClientGone

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        told.append((await receive())["type"])
        told.append((await receive())["type"])

    with pytest.raises(ClientGone):
        await InProcess(app).send(request(upload()), timeout_s=1)
    assert told == ["http.request", "http.disconnect"]
