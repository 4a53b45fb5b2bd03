"""One call of an ASGI app: its `receive` and `send`, and the reader's end of its answer."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from gateway.failure import Failure
from gateway.message import BodyCut, ClientGone, Headers, OutboundRequest

Message = MutableMapping[str, Any]
HIGH = 64 * 1024  # bytes the app may be ahead of the reader
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_LINE_ENDS = re.compile(rb"[\r\n\0]")


class Call:
    """`head` is done when the answer has begun or failed; `read` gives the body, once."""

    def __init__(self, request: OutboundRequest) -> None:
        self._loop = asyncio.get_running_loop()
        self.head: asyncio.Future[tuple[int, Headers] | Failure] = self._loop.create_future()
        self.abandoned = False  # the reader left or its body broke off: what the app does now is no news
        self._body = request.body
        self._body_over = False
        self._left: asyncio.Future[None] = self._loop.create_future()
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._over: bool | Failure = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """Give the app the next part of the request, then the news that its caller has gone."""
        if not self._body_over:
            return await self._next_part()
        await asyncio.shield(self._left)
        return {"type": "http.disconnect"}

    async def _next_part(self) -> Message:
        if self._body is None or isinstance(self._body, bytes):
            self._body_over = True
            return {"type": "http.request", "body": self._body or b"", "more_body": False}
        try:
            return {"type": "http.request", "body": await anext(self._body), "more_body": True}
        except StopAsyncIteration:
            self._body_over = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except ClientGone as error:  # is told to the one who sent the request
            self._body_over = self.abandoned = True
            if not self.head.done():
                self.head.set_exception(error)
            self.leave()
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take the answer from the app; waits while the reader is more than `HIGH` bytes behind."""
        if self._left.done():
            raise OSError("the client has left")  # ASGI HTTP spec 2.4, Disconnected Client
        if message["type"] == "http.response.start":
            headers = tuple(map(_pair, message.get("headers", ())))
            sane = 200 <= message["status"] <= 599 and all(map(_is_sane, headers))
            if not self.head.done():
                self.head.set_result((message["status"], headers) if sane else Failure.NEW_BAD_ANSWER)
            return
        if message["type"] != "http.response.body":
            raise ValueError(f"unexpected ASGI message {message['type']!r}")
        if body := message.get("body", b""):
            self._chunks.append(body)
            self._held += len(body)
        if not message.get("more_body", False):
            self._over = True
        _wake(self._reader)
        if self._held > HIGH and not self._over:
            self._writer = self._loop.create_future()
            await self._writer

    def end(self, failure: Failure) -> None:
        """The app is done; what it has not answered is a failure."""
        if not self.head.done():
            self.head.set_result(failure)
        if not self._over:
            self._over = failure
        _wake(self._reader)

    async def read(self) -> AsyncIterator[bytes]:
        """The body as it comes; BodyCut when the app stopped before its end."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                yield chunk
            _wake(self._writer)
            if isinstance(self._over, Failure):
                raise BodyCut(self._over)
            if self._over:
                return
            self._reader = self._loop.create_future()
            await self._reader

    def leave(self) -> bool:
        """The reader goes; true the first time."""
        if self._left.done():
            return False
        self.abandoned = self.abandoned or not self._over
        self._left.set_result(None)
        _wake(self._writer)
        return True


def _pair(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return bytes(name), bytes(value)


def _is_sane(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return _TOKEN.fullmatch(name) is not None and not _LINE_ENDS.search(value)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
