"""One request and its answer on a pooled connection: when to send again, when to stop sending, when to give up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from gateway.relay.connection import NEVER, Connection
from gateway.relay.pool import Pool
from gateway.relay.trouble import Cut, Trouble

CONTINUE_S: Final = 1.0  # an origin that ignores the question gets the body all the same; curl waits as long


@dataclass(frozen=True, slots=True)
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


class Answer:
    """An answer whose head is here. Read `body` to its end, or `close`; either gives the connection back."""

    __slots__ = ("_connection", "_idle_s", "_pool", "_pump", "headers", "status")

    def __init__(self, pool: Pool, connection: Connection, pump: asyncio.Task[None] | None, idle_s: float) -> None:
        self.status = connection.answer.status
        self.headers = tuple(connection.answer.headers)
        self._pool = pool
        self._connection: Connection | None = connection
        self._pump = pump
        self._idle_s = idle_s

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes; Cut when it ends before its end."""
        connection = self._connection
        if connection is None:
            return
        try:
            while True:
                connection.answer_by = asyncio.get_running_loop().time() + self._idle_s
                chunks = await connection.more()
                if not chunks:
                    break
                connection.answer_by = NEVER  # from here on the reader is slow, not the origin
                while chunks:
                    yield chunks.popleft()
            if not connection.answer.complete:
                raise Cut(connection.answer.trouble or Trouble.RESET)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection; an answer that is not read to its end costs it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _stop(self._pump)
            self._pool.give_back(connection)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until the head once the request is sent, pauses of the origin in a body, pauses of the request's own."""

    timeout_s: float
    idle_s: float
    body_idle_s: float


async def exchange(
    pool: Pool, request: Outgoing, *, timeout_s: float, idle_s: float, body_idle_s: float | None = None
) -> Answer | Trouble:
    """Send a request and wait for its answer's head, at most `timeout_s` seconds after it was sent.

    `idle_s` bounds the origin's pauses within both bodies, `body_idle_s` (default: the same) those of whoever
    provides the request's body until the answer begins. An exception of that body passes through.
    """
    patience = Patience(timeout_s, idle_s, idle_s if body_idle_s is None else body_idle_s)
    while True:
        connection = await pool.take()
        if isinstance(connection, Trouble):
            return connection
        reused = connection.uses > 0
        answer = await _on(pool, connection, request, patience)
        died_early = answer is Trouble.RESET and connection.answer.untouched
        if not (died_early and reused and request.repeatable):
            return answer


async def _on(pool: Pool, connection: Connection, request: Outgoing, patience: Patience) -> Answer | Trouble:
    pump: asyncio.Task[None] | None = None
    try:
        if request.body is None or isinstance(request.body, bytes):
            connection.begin(request.head + (request.body or b""), head_only=request.head_only)
            connection.sent_whole = True
            connection.answer_by = asyncio.get_running_loop().time() + patience.timeout_s
            await connection.head()
        else:
            connection.begin(request.head, head_only=request.head_only)
            pump = asyncio.ensure_future(_send_body(connection, request, request.body, patience))
            await _head_or_broken_body(connection, pump)
    except BaseException:  # the caller was cancelled, or its body broke off
        _stop(pump)
        connection.fail(Trouble.RESET)
        pool.give_back(connection)
        raise
    if connection.answer.status:
        return Answer(pool, connection, pump, patience.idle_s)
    _stop(pump)
    pool.give_back(connection)
    return connection.answer.trouble or Trouble.RESET


async def _head_or_broken_body(connection: Connection, pump: asyncio.Task[None]) -> None:
    """Wait for the answer's head, which may come before the body is sent, or for the body's own exception."""
    head = asyncio.ensure_future(connection.head())
    try:
        await asyncio.wait({head, pump}, return_when=asyncio.FIRST_COMPLETED)
        if pump.done() and not head.done():
            pump.result()
        await head
    finally:
        head.cancel()


async def _send_body(connection: Connection, request: Outgoing, body: AsyncIterator[bytes], patience: Patience) -> None:
    """Send the body until its end, or until the answer is complete: an early one ends an upload."""
    loop = asyncio.get_running_loop()
    write, chunked = connection.transport.write, request.chunked
    if request.asks_first:
        await connection.wanted(CONTINUE_S)
        if connection.answer.status or connection.answer.trouble is not None:
            return  # answered without the body, which then is never asked for
    connection.body_by = loop.time() + patience.body_idle_s
    async for chunk in body:
        if connection.answer.complete or connection.answer.trouble is not None:
            return
        if not chunk:
            continue  # an empty chunk would end a chunked body
        write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        connection.body_by, connection.taken_by = NEVER, loop.time() + patience.idle_s
        await connection.drain()
        connection.body_by, connection.taken_by = loop.time() + patience.body_idle_s, NEVER
        if connection.answer_by != NEVER:  # an answer that began early may wait for the rest of the request
            connection.answer_by = loop.time() + patience.idle_s
    connection.body_by = NEVER
    if chunked:
        write(b"0\r\n\r\n")
    connection.sent_whole = True
    if not connection.answer.status:
        connection.answer_by = loop.time() + patience.timeout_s


def _stop(pump: asyncio.Task[None] | None) -> None:
    """End the pump without waiting: whoever cleans up may be cancelled at any await."""
    if pump is not None:
        pump.cancel()
        pump.add_done_callback(lambda task: task.cancelled() or task.exception())  # its trouble is known or moot
