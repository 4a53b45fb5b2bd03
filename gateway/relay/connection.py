"""One HTTP/1.1 connection to an origin: it carries one request at a time, with back-pressure both ways.

Bytes that arrive while nothing is asked for end it: they must never become the next caller's answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.relay.answer import AnswerReader
from gateway.relay.trouble import Trouble

HIGH: Final = 256 * 1024  # bytes of an answer held for a slow reader before the origin is made to wait
NEVER: Final = float("inf")


class Connection(asyncio.Protocol):
    """Drive it from a pool: `begin`, then `head`, then `more` until empty; `reusable` tells what to do with it then.

    Three times of the loop at which the pool fails it: the origin's answer goes on by `answer_by`; until it has
    begun, the origin takes what was written by `taken_by` and the request's own body goes on by `body_by`.
    `sent_whole` is set by who sends the body.
    """

    __slots__ = (
        "_answer_waiter", "_continue_waiter", "_drain_waiter", "_loop", "_on_lost", "_paused", "_write_paused",
        "answer", "answer_by", "asked", "body_by", "sent_whole", "taken_by", "transport", "uses",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._drain_waiter: asyncio.Future[None] | None = None
        self._answer_waiter: asyncio.Future[None] | None = None
        self._continue_waiter: asyncio.Future[None] | None = None
        self._write_paused = self._paused = False
        self.answer = AnswerReader(head_only=False)
        self.asked = self.sent_whole = False
        self.answer_by = self.taken_by = self.body_by = NEVER
        self.transport: asyncio.Transport
        self.uses = 0

    def begin(self, head: bytes, *, head_only: bool) -> None:
        """Send a request's head; `head_only` when its answer has no body whatever it says (HEAD)."""
        self.answer = AnswerReader(head_only=head_only)
        self.asked = True
        self.sent_whole = False
        self.uses += 1
        self.transport.write(head)

    @property
    def reusable(self) -> bool:
        """Whether the next request may be sent on it."""
        answer = self.answer
        return answer.complete and answer.keep and self.sent_whole and not self.transport.is_closing()

    async def head(self) -> None:
        """Wait for the answer's head, or for trouble."""
        while not self.answer.status and self.answer.trouble is None:
            await self._news()

    async def more(self) -> deque[bytes]:
        """Wait for body; empty when it is over or in trouble."""
        answer = self.answer
        while not answer.chunks and not answer.complete and answer.trouble is None:
            self._resume()
            await self._news()
        return answer.take()

    async def wanted(self, within_s: float) -> None:
        """Wait until the origin wants the request's body, has answered without it, or lets the time pass."""
        answer = self.answer
        if answer.continued or answer.status or answer.trouble is not None:
            return
        self._continue_waiter = self._loop.create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._continue_waiter

    async def drain(self) -> None:
        """Wait until the origin takes more of the request."""
        if self._write_paused and not self.transport.is_closing():
            self._drain_waiter = self._loop.create_future()
            await self._drain_waiter

    def rest(self) -> None:
        """End the exchange; the connection is idle."""
        self.asked = False
        self.answer_by = self.taken_by = self.body_by = NEVER
        self._resume()

    def overdue(self, now: float) -> Trouble | None:
        """Who has kept the others waiting too long, if anybody has."""
        begun = self.answer.status != 0  # from then on whoever reads the answer is waited for, or sets answer_by
        if self.answer_by < now or (self.taken_by < now and not begun):
            return Trouble.TIMEOUT
        return Trouble.STALLED_BODY if self.body_by < now and not begun else None

    def fail(self, trouble: Trouble) -> None:
        """End the connection at once; whoever waits learns why."""
        if not self.answer.complete and self.answer.trouble is None:
            self.answer.trouble = trouble
        self.answer.keep = False
        self.transport.abort()
        self._wake()

    async def _news(self) -> None:
        self._answer_waiter = self._loop.create_future()
        await self._answer_waiter

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def _wake(self) -> None:
        for waiter in (self._answer_waiter, self._continue_waiter, self._drain_waiter):
            _call(waiter)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = transport  # type: ignore[assignment]  # a TCP or TLS transport is an asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; an unfinished answer is cut."""
        if exc is None:
            self.answer.eof()
        else:
            self.fail(Trouble.RESET)
        self._wake()
        self._on_lost(self)

    def eof_received(self) -> None:
        """The origin sends no more."""
        self.answer.eof()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._write_paused = False
        _call(self._drain_waiter)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer, or bytes nobody asked for."""
        answer = self.answer
        if not self.asked or answer.complete:
            answer.keep = False
            self.transport.abort()
            return
        answer.feed(data)
        if answer.held > HIGH and not self._paused and not answer.complete:
            self._paused = True
            self.transport.pause_reading()
        if answer.status or answer.trouble is not None:
            _call(self._answer_waiter)
            _call(self._continue_waiter)
        elif answer.continued:
            _call(self._continue_waiter)


def _call(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
