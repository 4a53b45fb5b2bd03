"""A client that ends its half of the connection once it has asked, as `nc -N` and many test suites do."""

import asyncio
from typing import Any

import pytest

from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, Received, always, gateway, read_body, route, upstream

ON_BOTH_LOOPS = True
HOST = b"Host: shop.test\r\n"
ASKED = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
SENT = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"


async def answers(port: int, said: bytes) -> bytes:
    """Say something, end there, and hear all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(said)
        writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("said", [ASKED, SENT, ASKED + SENT + ASKED])
async def test_it_gets_its_answers(said: bytes) -> None:
    """Each request has one, and the connection ends behind the last."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        heard = await answers(served.port, said)
    assert heard.count(b"HTTP/1.1 200 OK\r\n") == said.count(b" HTTP/1.1\r\n") == len(legacy.received)
    assert heard.endswith(b"ok")


async def test_it_gets_the_answer_of_an_app() -> None:
    """On stage new as well."""

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    flag = Flag("r", stage=Stage.NEW, sample=0)
    async with upstream(always(OK)) as legacy:
        async with gateway(legacy.url, routes=[route("r", "GET /")], flags=[flag], new=hello) as served:
            heard = await answers(served.port, ASKED)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_it_is_not_waited_for_long() -> None:
    """It may as well have gone, so a legacy that takes its time is let go of."""

    async def never(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        await reader.readexactly(1)

    async with upstream(never) as legacy, gateway(legacy.url, timeout_s=60, idle_timeout_s=60) as served:
        assert await answers(served.port, SENT) == b""
        async with asyncio.timeout(10):
            await legacy.lost.wait()


async def test_half_an_upload_is_none() -> None:
    """What ends within its body is never whole at legacy."""

    async def whole(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.write(OK)

    async with upstream(whole) as legacy, gateway(legacy.url) as served:
        assert await answers(served.port, SENT[:-2]) == b""
        async with asyncio.timeout(10):
            while legacy.received and not legacy.lost.is_set():  # noqa: ASYNC110 - it may never have heard of it
                await asyncio.sleep(0.01)
    assert all(request.body == b"" for request in legacy.received)
