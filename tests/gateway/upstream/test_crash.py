"""Whatever a new handler raises is its own failure, and what it says stays out of the log."""

import asyncio
import logging

import pytest

from gateway.failure import Failure
from gateway.message import BodyCut
from gateway.telemetry import JsonLines
from gateway.upstream.inprocess import InProcess
from tests.gateway.upstream.asking import START, Receive, Scope, Send, answered, part, request


class Boom(BaseException):
    """What no `except Exception` catches."""


ENDINGS = [SystemExit(3), KeyboardInterrupt(), Boom(), asyncio.CancelledError(), GeneratorExit()]


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
async def test_sys_exit_in_a_handler_is_a_crash_and_the_gateway_lives(ending: BaseException) -> None:
    """No exception of a handler ends the process or makes the client wait for a timeout."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ending

    async with asyncio.timeout(10):
        assert await InProcess(app).send(request(), timeout_s=60) is Failure.NEW_CRASHED


@pytest.mark.parametrize("ending", ENDINGS, ids=repr)
async def test_sys_exit_mid_answer_cuts_the_body(ending: BaseException) -> None:
    """A client that has half an answer is cut off at once, as a crash."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"half"))
        raise ending

    body = (await answered(app)).body
    async with asyncio.timeout(10):
        assert await anext(body) == b"half"
        with pytest.raises(BodyCut) as cut:
            await anext(body)
    assert cut.value.failure is Failure.NEW_CRASHED


async def test_an_exceptions_text_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the types of an exception and its causes and the places, and not a word of theirs."""

    def query() -> None:
        raise ValueError("INSERT ... [parameters: ('s3cret')]")

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            query()
        except ValueError as error:
            raise ExceptionGroup("s3cret", [LookupError("s3cret")]) from error

    with caplog.at_level(logging.ERROR):
        await InProcess(handler).send(request(), timeout_s=10)
    (line,) = [JsonLines().format(record) for record in caplog.records]
    assert "s3cret" not in line
    assert "new_side_raised" in line
    for place in ("builtins.ExceptionGroup", "builtins.ValueError", "builtins.LookupError", "query", "test_crash.py"):
        assert place in line


async def test_what_an_app_raises_after_its_reader_left_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """An app that trips over its client's leaving is not logged as broken."""
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            await receive()
            await receive()
            await send(part(b"late"))
        finally:
            ended.set()

    await (await answered(app)).close()
    async with asyncio.timeout(10):
        await ended.wait()
    assert caplog.records == []
