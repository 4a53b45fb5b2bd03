"""One call of an ASGI app: its `send`, and the reader's end of its answer.

A reader is a coroutine (`head`, then `read`), or it is told of news by `listener` and takes what is there at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable

from gateway.failure import Failure
from gateway.message import BodyCut, Headers, OutboundRequest
from gateway.telemetry import log
from gateway.upstream.asked import Asked, wake
from gateway.upstream.fields import BAD, BAD_LENGTH, NOTHING, fields_of
from gateway.upstream.upload import Message

HIGH = 64 * 1024  # bytes the app may be ahead of the reader
GRACE_S = 10.0  # how long an app may go on after its caller has left


class Call(Asked):
    """`outcome` is known when the answer has begun or failed; `read` gives the body, once.

    Whoever asked lets go at the end, in every case: the app hears of it, and one whose answer was not
    whole is ended after `GRACE_S`, at once where nothing of it is to stay. Work behind a whole answer is
    the app's own and may take its time.
    """

    __slots__ = (
        "_bodiless", "_chunks", "_commits", "_head", "_idle_timeout_s", "_missing", "_reader", "_room", "_task",
        "abandoned", "held", "length", "listener", "outcome", "trouble", "whole",
    )  # fmt: skip

    def __init__(self, request: OutboundRequest, loop: asyncio.AbstractEventLoop, *, idle_timeout_s: float) -> None:
        super().__init__(request, loop)
        self.listener: Callable[[], None] | None = None
        self.outcome: tuple[int, Headers] | Failure | Exception | None = None
        self.length = -1  # of the body, as the answer's head says it
        self._head: asyncio.Future[tuple[int, Headers] | Failure] | None = None
        self.abandoned = False  # the reader left or its body broke off: what the app does now is no news
        self.whole = False
        self._idle_timeout_s = idle_timeout_s
        self._bodiless = request.method == "HEAD"
        self._commits = request.commit
        self._missing: int | None = None  # bytes until the length that the answer declared
        self._task: asyncio.Task[None] | None = None
        self._chunks: deque[bytes] = deque()
        self.held = 0  # bytes that the reader has not taken
        self._room: asyncio.Future[None] | None = None  # the app waits for room
        self._reader: asyncio.Future[None] | None = None
        self.trouble: Failure | Exception | None = None

    def begin(self, task: asyncio.Task[None], *, timeout_s: float) -> None:
        """The app runs in this task, and has `timeout_s` seconds for its answer's head."""
        self._task = task
        self.await_it(timeout_s)

    # the app's end

    async def send(self, message: Message) -> None:
        """Take the answer from the app; waits while the reader is more than `HIGH` bytes behind."""
        if self._has_left:
            self._refuse_after_leaving()
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message)
            return
        if kind != "http.response.body":
            raise ValueError(f"unexpected ASGI message {kind!r}")
        if self.outcome is None or self.whole:
            raise RuntimeError("http.response.body comes after http.response.start, and nothing after the last one")
        self._take(message.get("body", b""), more=message.get("more_body", False))
        if self._bodiless:
            await asyncio.sleep(0)  # nothing holds back one that streams for ever
        elif self.held > HIGH and not self.whole:
            self._room = self._loop.create_future()
            await self._room
            self._refuse_after_leaving()

    def fail(self, failure: Failure) -> None:
        """What the app has not answered by now is a failure."""
        if self._upload is not None:
            self._upload.close()
        if self.whole:
            return
        self.await_no_more()
        if self.trouble is None:
            self.trouble = failure
            if self.outcome is None:
                self._settle(failure)
            self._tell()

    # the reader's end

    @property
    def head(self) -> asyncio.Future[tuple[int, Headers] | Failure]:
        """Done when the answer has begun or failed; an exception of the request's own body passes through."""
        if self._head is None:
            self._head = self._loop.create_future()
            if self.outcome is not None:
                self._settle(self.outcome)
        return self._head

    def take(self) -> list[bytes]:
        """The body that is here, for a reader that waits for nothing; the app may go on."""
        chunks = list(self._chunks)
        self._chunks.clear()
        self.held = 0
        if self._room is not None:
            wake(self._room)
        return chunks

    def wait(self, *, going_on: bool) -> None:
        """A reader that waits for nothing wants more of the answer, or is itself waited for."""
        if going_on and not self.whole:
            self.await_it(self._idle_timeout_s)
        else:
            self.await_no_more()

    async def read(self) -> AsyncIterator[bytes]:
        """The body as it comes; BodyCut when the app stopped before its end or made no progress in time."""
        try:
            while True:
                while self._chunks:
                    chunk = self._chunks.popleft()
                    self.held -= len(chunk)
                    yield chunk
                wake(self._room)
                if isinstance(self.trouble, Failure):
                    raise BodyCut(self.trouble)
                if self.trouble is not None:
                    raise self.trouble
                if self.whole:
                    return
                self._reader = self._loop.create_future()
                self.await_it(self._idle_timeout_s)
                await self._reader
                self.await_no_more()
        finally:
            self.let_go()

    def take_whole(self) -> bytes | None:
        """The body, when all of it is here already; None when it is still to be read."""
        if not self.whole or self.trouble is not None:
            return None
        self.let_go()
        return b"".join(self._chunks)

    def let_go(self) -> None:
        """The reader wants no more."""
        if self._has_left:
            return
        self.leave()
        self.await_no_more()
        if self._room is not None:
            wake(self._room)
        if self.whole:
            return
        self.abandoned = True
        if self._task is not None:
            cancel, grace_s = (self._task.cancel, GRACE_S) if self._commits else (self._cancel_once, 0.0)
            self._loop.call_later(grace_s, cancel)

    # what happens on the way

    def give_up(self) -> None:
        """The app takes too long."""
        self.fail(Failure.NEW_TIMEOUT)
        self.let_go()
        self._cancel_once()

    def _cancel_once(self) -> None:
        """A second time would break off the driver's own clearing up, and cost the connection."""
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    def break_off(self, error: Exception) -> None:
        """The request's own body has failed, and with it the request."""
        if not self.whole and self.trouble is None:
            self.trouble = error
        if self.outcome is None:
            self._settle(error)
        self.let_go()
        self._tell()

    def _settle(self, outcome: tuple[int, Headers] | Failure | Exception) -> None:
        self.outcome = outcome
        if self._head is None or self._head.done():
            return
        if isinstance(outcome, Exception):
            self._head.set_exception(outcome)
        else:
            self._head.set_result(outcome)

    def _tell(self) -> None:
        if self._reader is not None:
            wake(self._reader)
        if self.listener is not None:
            self.listener()

    def _refuse_after_leaving(self) -> None:
        if self._has_left:
            raise OSError("the client has left")  # ASGI HTTP spec 2.4, Disconnected Client

    def _start(self, message: Message) -> None:
        if self.outcome is not None:
            raise RuntimeError("http.response.start comes once")
        status: int = message["status"]
        headers, length = fields_of(message.get("headers", ()))
        if not 200 <= status <= 599:
            self._refuse("status")
        elif length == BAD_LENGTH:
            self._refuse("content-length")
        elif length == BAD:
            self._refuse("header")
        else:
            self._bodiless = self._bodiless or status in (204, 304)
            self._missing = length if length >= 0 and not self._bodiless else None
            if status == 204:  # RFC 9110 section 8.6
                headers, length = tuple(header for header in headers if header[0].lower() != b"content-length"), NOTHING
            self.await_no_more()
            self.length = length
            self._settle((status, headers))
            if self.listener is not None:  # the body mostly comes in this turn of the loop
                self._loop.call_soon(self.listener)

    def _take(self, body: bytes, *, more: bool) -> None:
        if body and not self._bodiless:
            if self._missing is not None:
                self._missing -= len(body)
                if self._missing < 0:
                    self._refuse("body longer than its content-length")
                    return
            self._chunks.append(bytes(body))
            self.held += len(body)
        if not more and self._missing:
            self._refuse("body shorter than its content-length")
            return
        self.whole = not more
        if self.whole or not self._bodiless:  # what is dropped is no progress
            self._tell()

    def _refuse(self, why: str) -> None:
        log("new_bad_answer", level=logging.WARNING, why=why)
        self.fail(Failure.NEW_BAD_ANSWER)
        self.let_go()
