"""One request and its answer on a pooled connection, for a coroutine: when to send again, to stop, to give up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.relay.connection import NEVER, Connection
from gateway.relay.pool import Pool
from gateway.relay.trouble import Cut, Trouble

CONTINUE_S: Final = 1.0  # an origin that ignores the question gets the body all the same; curl waits as long


@dataclass(slots=True)
class Outgoing:
    """A request as bytes. `head` ends with the empty line; a streamed `body` is framed here when `chunked`.

    `asks_first`: the body is held until the origin wants it (`Expect: 100-continue`, RFC 9110 section 10.1.1).
    `repeatable`: it may be sent again when a kept connection dies before any byte of the answer.
    """

    head: bytes
    body: AsyncIterator[bytes] | bytes | None
    chunked: bool
    head_only: bool
    repeatable: bool
    asks_first: bool = False


class Patience(NamedTuple):
    """Seconds: until the head once the request is sent, pauses of the origin in a body, pauses of the request's own."""

    timeout_s: float
    idle_s: float
    body_idle_s: float


class Waiter:
    """Listens on a connection for a coroutine: each of its waits ends with the next news."""

    __slots__ = ("_drain_waiter", "_loop", "_news_waiters", "connection")

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.connection = connection
        self._loop = loop
        self._news_waiters: list[asyncio.Future[None]] = []  # who sends the body, and who waits for the answer
        self._drain_waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait for the answer's head, or for trouble."""
        answer = self.connection.answer
        while not answer.status and answer.trouble is None:
            await self._news()

    async def more(self) -> bool:
        """Wait for body; false when it is over or in trouble."""
        answer = self.connection.answer
        while not answer.chunks and not answer.complete and answer.trouble is None:
            self.connection.resume()
            await self._news()
        return bool(answer.chunks)

    async def wanted(self, within_s: float) -> None:
        """Wait until the origin wants the request's body, has answered without it, or lets the time pass."""
        answer = self.connection.answer
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (answer.continued or answer.status or answer.trouble is not None):
                    await self._news()

    async def drain(self) -> None:
        """Wait until the origin takes more of the request."""
        if self.connection.write_paused and not self.connection.transport.is_closing():
            self._drain_waiter = self._loop.create_future()
            await self._drain_waiter

    def _news(self) -> asyncio.Future[None]:
        waiter = self._loop.create_future()
        self._news_waiters.append(waiter)
        return waiter

    # Listener

    def heard(self) -> None:
        """Wake who waits for news."""
        waiters, self._news_waiters = self._news_waiters, []
        for waiter in waiters:
            _wake(waiter)

    def full(self) -> None:
        """`drain` looks for itself."""

    def room(self) -> None:
        """Wake who waits for room."""
        _wake(self._drain_waiter)


class Answer:
    """An answer whose head is here. Read `body` to its end, or `close`; either gives the connection back.

    `whole` is the body when all of it is here already; then the connection has been given back.
    """

    __slots__ = (
        "_idle_s", "_pool", "_pump", "_waiter", "headers", "interim", "length", "reason", "status", "trailers", "whole",
    )  # fmt: skip

    def __init__(self, pool: Pool, waiter: Waiter, pump: asyncio.Task[None] | None, idle_s: float) -> None:
        answer = waiter.connection.answer
        self.status = answer.status
        self.reason = answer.reason
        self.length = answer.length  # of the body as the head says it, -1 for nothing
        self.headers = tuple(answer.headers)
        self.interim = answer.interim
        self.trailers = answer.trailers  # filled by the time the body is read
        self.whole: bytes | None = None
        self._waiter: Waiter | None = waiter
        self._pool, self._pump, self._idle_s = pool, pump, idle_s
        if answer.complete:
            self.whole = answer.body()
            self.close()

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes; Cut when it ends before its end."""
        if self._waiter is None:
            if self.whole:
                yield self.whole
            return
        connection, loop = self._waiter.connection, asyncio.get_running_loop()
        try:
            while True:
                connection.answer_by = loop.time() + self._idle_s
                if not await self._waiter.more():
                    break
                connection.answer_by = NEVER  # from here on the reader is slow, not the origin
                chunks = connection.answer.take()
                while chunks:
                    yield chunks.popleft()
            if not connection.answer.complete:
                raise Cut(connection.answer.trouble or Trouble.RESET)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection; an answer that is not read to its end costs it."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            _stop(self._pump)
            if waiter.connection.answer.held:  # reader and parser refer to each other: it would wait for the collector
                waiter.connection.answer.take()
            self._pool.give_back(waiter.connection)


async def exchange(
    pool: Pool, request: Outgoing, *, timeout_s: float, idle_s: float, body_idle_s: float | None = None
) -> Answer | Trouble:
    """Send a request and wait for its answer's head, at most `timeout_s` seconds after it was sent.

    `idle_s` bounds the origin's pauses within both bodies, `body_idle_s` (default: the same) those of whoever
    provides the request's body until the answer begins. An exception of that body passes through.
    """
    body, loop = request.body, asyncio.get_running_loop()
    while True:
        connection = pool.pick() or await pool.take()
        if isinstance(connection, Trouble):
            return connection
        reused, waiter = connection.uses > 0, Waiter(connection, loop)
        pump: asyncio.Task[None] | None = None
        try:
            if body is None or isinstance(body, bytes):
                connection.begin(waiter, request.head + body if body else request.head, head_only=request.head_only)
                connection.sent_whole = True
                connection.answer_by = loop.time() + timeout_s
                await waiter.head()
            else:
                connection.begin(waiter, request.head, head_only=request.head_only)
                patience = Patience(timeout_s, idle_s, idle_s if body_idle_s is None else body_idle_s)
                pump = asyncio.ensure_future(_send_body(waiter, request, body, patience))
                await _head_or_broken_body(waiter, pump)
        except BaseException:  # the caller was cancelled, or its body broke off
            _stop(pump)
            connection.fail(Trouble.RESET)
            pool.give_back(connection)
            raise
        answer = connection.answer
        if answer.status:
            return Answer(pool, waiter, pump, idle_s)
        _stop(pump)
        died_early = answer.trouble is Trouble.RESET and answer.untouched
        pool.give_back(connection)
        if not (died_early and reused and request.repeatable):
            return answer.trouble or Trouble.RESET


async def _head_or_broken_body(waiter: Waiter, pump: asyncio.Task[None]) -> None:
    """Wait for the answer's head, which may come before the body is sent, or for the body's own exception."""
    head = asyncio.ensure_future(waiter.head())
    try:
        await asyncio.wait({head, pump}, return_when=asyncio.FIRST_COMPLETED)
        if pump.done() and not head.done():
            pump.result()
        await head
    finally:
        head.cancel()


async def _send_body(waiter: Waiter, request: Outgoing, body: AsyncIterator[bytes], patience: Patience) -> None:
    """Send the body until its end, or until the answer is complete: an early one ends an upload."""
    loop, connection = asyncio.get_running_loop(), waiter.connection
    write, chunked, answer = connection.transport.write, request.chunked, connection.answer
    if request.asks_first:
        await waiter.wanted(CONTINUE_S)
        if answer.status or answer.trouble is not None:
            return  # answered without the body, which then is never asked for
    connection.body_by = loop.time() + patience.body_idle_s
    async for chunk in body:
        if answer.complete or answer.trouble is not None:
            return
        if not chunk:
            continue  # an empty chunk would end a chunked body
        write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        connection.body_by, connection.taken_by = NEVER, loop.time() + patience.idle_s
        await waiter.drain()
        connection.body_by, connection.taken_by = loop.time() + patience.body_idle_s, NEVER
        if connection.answer_by != NEVER:  # an answer that began early may wait for the rest of the request
            connection.answer_by = loop.time() + patience.idle_s
    connection.body_by = NEVER
    if chunked:
        write(b"0\r\n\r\n")
    connection.sent_whole = True
    if not answer.status:
        connection.answer_by = loop.time() + patience.timeout_s


def _stop(pump: asyncio.Task[None] | None) -> None:
    """End the pump without waiting: whoever cleans up may be cancelled at any await."""
    if pump is not None:
        pump.cancel()
        pump.add_done_callback(lambda task: task.cancelled() or task.exception())  # its trouble is known or moot


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
