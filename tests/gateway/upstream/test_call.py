"""An answer of an app in this process: what a server would make of it, and when its app is ended."""

import asyncio
from contextlib import suppress

import pytest

from gateway.failure import Failure
from gateway.message import BodyCut
from gateway.upstream import call
from gateway.upstream.inprocess import InProcess
from tests.gateway.upstream.asking import START, Receive, Scope, Send, answered, part, read, request, start


async def test_an_app_that_hangs_mid_answer_is_cut_off() -> None:
    """The client is told after the idle timeout, and the app is cancelled."""
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"half"))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    body = (await answered(app, idle_timeout_s=0.05)).body
    async with asyncio.timeout(10):
        assert await anext(body) == b"half"
        with pytest.raises(BodyCut) as cut:
            await anext(body)
        await cancelled.wait()
    assert cut.value.failure is Failure.NEW_TIMEOUT


async def test_a_slow_reader_does_not_use_up_the_apps_time() -> None:
    """While the reader is busy elsewhere the idle timeout does not run."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(4):
            await send(part(b"x" * call.HIGH * 2))
        await send(part(b"", more=False))

    size = 0
    async for chunk in (await answered(app, idle_timeout_s=0.5)).body:
        await asyncio.sleep(0.6 if not size else 0)
        size += len(chunk)
    assert size == call.HIGH * 8


async def test_background_work_behind_a_whole_answer_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A FastAPI BackgroundTask is not cancelled because the client has its answer."""
    monkeypatch.setattr(call, "GRACE_S", 0.01)
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"ok", more=False))
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            done.set_result("cancelled")
            raise
        done.set_result("done")

    response = await answered(app)
    assert await read(response) == b"ok"
    await response.close()
    async with asyncio.timeout(10):
        assert await done == "done"


async def test_background_work_is_waited_for_at_shutdown() -> None:
    """Closing the side lets work behind whole answers end first."""
    done = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal done
        await send(START)
        await send(part(b"ok", more=False))
        await asyncio.sleep(0.1)
        done = True

    transport = InProcess(app)
    await transport.send(request(), timeout_s=10)
    await transport.aclose()
    assert done


async def test_an_app_that_swallows_its_cancellation_cannot_stream_on() -> None:
    """After its deadline an app has no reader: `send` says so instead of blocking for ever."""
    told = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await send(START)
            while True:
                await send(part(b"x" * 10_000))
        except OSError:
            told.set()

    async with asyncio.timeout(10):
        assert await InProcess(app).send(request(), timeout_s=0.05) is Failure.NEW_TIMEOUT
        await told.wait()


@pytest.mark.parametrize("how", ["bad head", "close", "stop reading", "bad body"])
async def test_an_app_blocked_in_send_ends_when_its_answer_is_let_go(how: str) -> None:
    """However the gateway lets go of an answer, the app's next `send` raises and its task ends."""
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        bad = {"bad head": [(b"x", b"\n")], "bad body": [(b"content-length", b"200000")]}
        try:
            await send(start(*bad.get(how, [])))
            while True:
                await send(part(b"x" * 40_000))
        finally:
            ended.set()

    answer = await InProcess(app).send(request(), timeout_s=10)
    if isinstance(answer, Failure):
        assert how == "bad head"
    elif how == "close":
        await answer.close()
    elif how == "bad body":
        with pytest.raises(BodyCut):
            await read(answer)
    else:
        await anext(answer.body)
        await answer.body.aclose()  # type: ignore[attr-defined]  # what an async for does that breaks off
    async with asyncio.timeout(8):
        await ended.wait()


@pytest.mark.parametrize(
    ("method", "status", "length"), [("HEAD", 200, [b"5"]), ("GET", 204, []), ("GET", 304, [b"5"])]
)
async def test_an_answer_without_a_body_has_none(method: str, status: int, length: list[bytes]) -> None:
    """What an app sends after a HEAD, a 204 or a 304 is dropped, as a server does; only a 204 has no length."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"5"), status=status))
        await send(part(b"hello", more=False))

    response = await answered(app, method=method)
    assert await read(response) == b""
    assert [value for name, value in response.headers if name == b"content-length"] == length


async def test_an_endless_answer_to_head_is_given_up() -> None:
    """An app that streams for ever into nothing neither blocks the gateway nor lives on."""
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"x"))
        finally:
            ended.set()

    response = await answered(app, method="HEAD", idle_timeout_s=0.05)
    async with asyncio.timeout(10):
        with pytest.raises(BodyCut):
            await read(response)
        await ended.wait()


@pytest.mark.parametrize("lengths", [[b"5", b"5"], [b"5", b"6"], [b"5,5"], [b"+5"], [b"-1"], [b""], [b"0x5"], [b"1_0"]])
async def test_a_length_that_can_be_read_in_two_ways_is_a_bad_answer(lengths: list[bytes]) -> None:
    """At most one Content-Length, and digits only (RFC 9110 section 8.6)."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(*((b"Content-Length", value) for value in lengths)))
        await send(part(b"hello", more=False))

    assert await InProcess(app).send(request(), timeout_s=10) is Failure.NEW_BAD_ANSWER


@pytest.mark.parametrize("length", [b"4", b"6", b"0"])
async def test_a_body_of_another_length_than_it_says_is_cut(length: bytes) -> None:
    """A body that is longer or shorter than its Content-Length never ends cleanly."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", length)))
        await send(part(b"he"))
        await send(part(b"llo", more=False))

    with pytest.raises(BodyCut) as cut:
        await read(await answered(app))
    assert cut.value.failure is Failure.NEW_BAD_ANSWER


async def test_a_body_of_the_length_it_says_is_whole() -> None:
    """A correct Content-Length stays."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start((b"content-length", b"5")))
        await send(part(b"he"))
        await send(part(b"llo"))
        await send(part(b"", more=False))

    response = await answered(app)
    assert await read(response) == b"hello"
    assert (b"content-length", b"5") in response.headers


@pytest.mark.parametrize("messages", [[part(b"early")], [START, START], [START, part(b"", more=False), part(b"late")]])
async def test_an_app_that_breaks_the_order_is_told(messages: list[dict[str, object]]) -> None:
    """A body before its head, a second head and a part after the last one raise in the app."""
    told = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for message in messages:
                await send(message)
        except RuntimeError:
            told.set()

    await InProcess(app).send(request(), timeout_s=10)
    async with asyncio.timeout(10):
        await told.wait()
