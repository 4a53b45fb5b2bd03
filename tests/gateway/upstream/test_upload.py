"""A request's body reaches an app whole, however it reads it, and takes the time that the client takes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request

from gateway.failure import Failure
from gateway.message import ClientGone
from gateway.upstream.inprocess import InProcess
from tests.gateway.upstream.asking import START, Receive, Scope, Send, answered, part, read, request


async def slow_upload(pause_s: float = 0.1) -> AsyncIterator[bytes]:
    """A client that takes its time."""
    for chunk in (b"one,", b"two,", b"three"):
        await asyncio.sleep(pause_s)
        yield chunk


async def through_a_tap(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body in another generator, as a captured one is."""
    async for chunk in source:
        yield chunk


async def test_an_upload_survives_a_receive_that_was_given_up() -> None:
    """An app that waits for a part with a timeout of its own, again and again, gets every part once."""
    tries = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal tries
        got, more = b"", True
        while more:
            tries += 1
            try:
                message = await asyncio.wait_for(receive(), 0.02)
            except TimeoutError:
                continue
            got, more = got + message["body"], message["more_body"]
        await send(START)
        await send(part(got, more=False))

    assert await read(await answered(app, through_a_tap(slow_upload()))) == b"one,two,three"
    assert tries > 4


@pytest.mark.parametrize("streamed", [True, False])
async def test_asking_whether_the_client_left_does_not_lose_the_upload(streamed: bool) -> None:
    """Starlette's `is_disconnected()`, before and while the body is read, takes nothing from it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope, receive)
        assert not await asked.is_disconnected()
        got = b""
        async for chunk in asked.stream():
            got += chunk
            assert not await asked.is_disconnected()
        await send(START)
        await send(part(got, more=False))

    body = through_a_tap(slow_upload(0.01)) if streamed else b"one,two,three"
    assert await read(await answered(app, body)) == b"one,two,three"


async def test_a_long_upload_is_not_killed_by_the_timeout() -> None:
    """The app's time does not run while it waits for the client: a slow upload may take longer than the timeout."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope, receive)
        got = await asked.body()
        await send(START)
        await send(part(got, more=False))

    assert await read(await answered(app, slow_upload(0.7), timeout_s=0.5)) == b"one,two,three"


@pytest.mark.parametrize("reads", [True, False])
async def test_an_app_that_hangs_with_an_upload_is_still_too_slow(reads: bool) -> None:
    """After the upload, or with one that it does not read, the app has its timeout and no more."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.Event().wait()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if reads:
            await Request(scope, receive).body()
        await asyncio.Event().wait()

    body = slow_upload(0.01) if reads else endless()
    async with asyncio.timeout(10):
        assert await InProcess(app).send(request(body), timeout_s=0.1) is Failure.NEW_TIMEOUT


async def test_two_who_receive_at_once_share_the_upload() -> None:
    """Each part goes to one of them, none to both."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got = await asyncio.gather(receive(), receive(), receive(), receive())
        await send(START)
        await send(part(b"".join(message["body"] for message in got), more=False))

    assert await read(await answered(app, slow_upload(0.01))) == b"one,two,three"


async def test_a_broken_upload_is_told_to_who_sent_it() -> None:
    """Any exception of the request's own stream passes through; the app sees a disconnect."""

    class StalledError(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise StalledError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with pytest.raises(StalledError):
        await InProcess(app).send(request(broken()), timeout_s=10)


async def test_a_client_that_leaves_its_upload_mid_answer_ends_the_answer() -> None:
    """Also when the answer has begun, the reader learns of it from the client's own exception."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ClientGone

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while (await receive())["type"] != "http.disconnect":
            pass

    response = await answered(app, broken())
    async with asyncio.timeout(10):
        with pytest.raises(ClientGone):
            await read(response)
