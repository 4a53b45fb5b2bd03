"""Who may keep a place of the pool, and for how long: the client, the origin, and those in the line."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.failure import Failure
from gateway.message import OutboundRequest, Response, Side
from gateway.relay.connection import Connection
from gateway.relay.exchange import Answer, Outgoing, Waiter, exchange
from gateway.relay.trouble import Cut, Trouble
from gateway.upstream.http import HttpTransport
from tests.gateway.proxy.harness import OK, Received, always, until, upstream
from tests.gateway.relay.test_pool import GET, ask, pool_to

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def parts(*chunks: bytes, then: asyncio.Event) -> AsyncIterator[bytes]:
    """A body whose last part waits for an event."""
    for chunk in chunks:
        yield chunk
    await then.wait()
    yield b"last"


def post(body: AsyncIterator[bytes]) -> Outgoing:
    """An upload of unknown length."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    return Outgoing(head, body, chunked=True, head_only=False, repeatable=False)


async def whole(answer: Answer) -> bytes:
    """The body to its end."""
    return b"".join([chunk async for chunk in answer.body()])


async def test_a_caller_gets_a_place_although_a_dead_answer_was_never_closed() -> None:
    """A connection that died frees its place by itself, once; whoever held it may let go of it later."""

    async def die(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(origin.received) > 1:
            writer.write(OK)
            return
        writer.write(HEAD + b"2\r\nhi\r\n")
        await writer.drain()
        writer.transport.abort()

    async with upstream(die) as origin:
        pool = pool_to(origin.port, most=1, connect_s=5)
        forgotten = await exchange(pool, GET, timeout_s=2, idle_s=2)
        assert isinstance(forgotten, Answer)
        assert await ask(pool) == b"ok"
        forgotten.close()
        forgotten.close()
        assert list(await asyncio.gather(ask(pool), ask(pool))) == [b"ok"] * 2
        await pool.aclose()


async def test_an_answer_that_hangs_after_an_early_head_is_cut() -> None:
    """The end of the upload does not make the reader of an answer that began before it wait for ever."""
    finish = asyncio.Event()

    async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"5\r\nhello\r\n")
        await writer.drain()
        await reader.readuntil(b"0\r\n\r\n")
        await asyncio.Event().wait()

    async with upstream(hang) as origin:
        pool = pool_to(origin.port)
        answer = await exchange(pool, post(parts(b"12345", then=finish)), timeout_s=1, idle_s=0.3)
        assert isinstance(answer, Answer)
        reading = asyncio.create_task(whole(answer))
        await asyncio.sleep(0.05)
        finish.set()
        async with asyncio.timeout(10):
            with pytest.raises(Cut) as cut:
                await reading
        assert cut.value.trouble is Trouble.TIMEOUT
        await pool.aclose()


async def test_an_answer_that_begins_early_may_wait_for_a_long_upload() -> None:
    """While the request goes on, an answer that has begun is not called late."""

    async def echo_late(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await writer.drain()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"2\r\nok\r\n0\r\n\r\n")

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.1)
            yield b"x"

    async with upstream(echo_late) as origin:
        pool = pool_to(origin.port)
        answer = await exchange(pool, post(slowly()), timeout_s=1, idle_s=1)
        assert isinstance(answer, Answer)
        assert [chunk async for chunk in answer.body()] == [b"ok"]
        await pool.aclose()


async def test_stalled_uploads_do_not_keep_everybody_else_out() -> None:
    """A client that stops in the middle of its body loses its place, and that is its own trouble, not the origin's."""
    never = asyncio.Event()
    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port, most=3, connect_s=5)
        stalled = [
            asyncio.create_task(
                exchange(pool, post(parts(b"1", then=never)), timeout_s=5, idle_s=5, body_idle_s=0.2),
            )
            for _ in range(3)
        ]
        await until(lambda: len(origin.received) == 3)
        assert await ask(pool) == b"ok"
        assert set(await asyncio.gather(*stalled)) == {Trouble.STALLED_BODY}
        assert len(asyncio.all_tasks()) < 10
        await pool.aclose()


@pytest.mark.parametrize("limits", [(0.2, None), (5.0, 0.2)])
async def test_a_client_that_stalls_in_its_upload_is_told_408(limits: tuple[float, float | None]) -> None:
    """The transport names the client's failure, bounded by the idle limit or one of its own."""
    idle_s, body_idle_s = limits
    body = parts(b"1", then=asyncio.Event())
    request = OutboundRequest("POST", b"/", ((b"content-length", b"10"),), body, "http", "::1")
    async with upstream(always(OK)) as origin:
        transport = HttpTransport(
            origin.url, side=Side.LEGACY, idle_timeout_s=idle_s, body_idle_timeout_s=body_idle_s, max_connections=1
        )
        async with asyncio.timeout(10):
            assert await transport.send(request, timeout_s=5) is Failure.REQUEST_BODY_TIMEOUT
            after = await transport.send(OutboundRequest("GET", b"/", (), None, "http", "::1"), timeout_s=5)
        assert isinstance(after, Response)
        assert [chunk async for chunk in after.body] == [b"ok"]
        await transport.aclose()


async def test_a_slow_upload_that_goes_on_is_not_stalled() -> None:
    """The limit is on each pause, not on the whole."""

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.1)
            yield b"x"

    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port)
        answer = await exchange(pool, post(slowly()), timeout_s=2, idle_s=1, body_idle_s=1)
        assert isinstance(answer, Answer)
        answer.close()
        await pool.aclose()


@pytest.mark.parametrize("reused", [True, False])
async def test_the_next_in_line_is_called_when_the_called_one_leaves_in_the_same_turn(reused: bool) -> None:
    """A caller who is cancelled just as a connection became free passes the call on."""
    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port, most=1, connect_s=60)
        connection = await pool.take()
        assert isinstance(connection, Connection)
        first, second = asyncio.create_task(pool.take()), asyncio.create_task(pool.take())
        await asyncio.sleep(0.05)
        if reused:
            waiter = Waiter(connection, asyncio.get_running_loop())
            connection.begin(waiter, GET.head, head_only=False)
            connection.sent_whole = True
            await waiter.head()
            await waiter.more()
        pool.give_back(connection)
        first.cancel()
        async with asyncio.timeout(10):
            assert isinstance(await second, Connection)
        await pool.aclose()


async def test_closing_a_pool_sends_the_line_home() -> None:
    """Nobody waits for a connection of a pool that is closed, and no new one is made."""
    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port, most=1, connect_s=60)
        await pool.take()
        waiting = [asyncio.create_task(pool.take()) for _ in range(3)]
        await asyncio.sleep(0.05)
        await pool.aclose()
        async with asyncio.timeout(10):
            assert set(await asyncio.gather(*waiting)) == {Trouble.UNREACHABLE}
