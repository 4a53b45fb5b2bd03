"""uvicorn's HTTP protocol as a door: strict about heads, sure of who has left, slow to start a task.

It leans on uvicorn's class and adds what an ASGI app cannot do:
- the target as it stood on the wire, and a future that is done when the client has gone, in the scope;
- no task for a request before all that came with it has been parsed: what is refused has reached nobody;
- limits on heads, in bytes, fields and seconds; trailers never become headers;
- answers that a client of HTTP/1.0 can read, and answers without a body that say how long it would be.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast
from uuid import uuid4

import httptools
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.failure import Failure
from gateway.proxy.receive import AUTHORITY_EXTENSION, GONE_EXTENSION, TARGET_EXTENSION, split_target
from gateway.proxy.respond import failure_body

HEAD_BYTES: Final = 64 * 1024
HEAD_FIELDS: Final = 100
HEAD_S: Final = 10.0  # from a head's first byte to its last
TARGET_BYTES: Final = 16 * 1024
PIPELINED: Final = 8  # requests that may wait behind one before reading pauses; a paused reader sees nobody leave


class Cycle(RequestResponseCycle):
    """One request and its answer, as uvicorn has them, but for two kinds of answers uvicorn gets wrong."""

    close_delimited = False

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            sized = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if self.scope["http_version"] == "1.0" and not sized:
                self.close_delimited = True  # HTTP/1.0 knows no chunks (RFC 9112 section 6.1)
                self.chunked_encoding = False
            if self.waiting_for_100_continue:
                self.keep_alive = False  # nobody asked for the body: it may come or not, so what follows is unclear
            await super().send(message)
            if message["status"] in (204, 304):
                self.expected_content_length = 0  # it says how long a body would be (RFC 9110 section 15.4.5)
        elif self.close_delimited and message["type"] == "http.response.body":
            await self._send_until_close(message.get("body", b""), more=message.get("more_body", False))
        else:
            await super().send(message)

    async def _send_until_close(self, body: bytes, *, more: bool) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if body and self.scope["method"] != "HEAD":
            self.transport.write(body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            self.transport.close()
            self.on_response()


class Door(HttpToolsProtocol):
    """One client connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; one that then says nothing is an idle one."""
        super().connection_made(transport)
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._shut = self._feeding = self._in_head = False
        self._head_bytes = self._field_bytes = 0
        self._refused: Failure | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._held: list[tuple[RequestResponseCycle, ASGI3Application]] = []
        self._unanswered: list[RequestResponseCycle] = []
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; every request of it is told, not only the newest."""
        for cycle in self._unanswered:
            cycle.disconnected = cycle.disconnected or not cycle.response_complete
            cycle.message_event.set()
        self._stop_head_timer()
        if not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse first, start the requests that were found after."""
        if self._shut:
            return
        self._unset_keepalive_if_required()
        self._feeding = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError:
            self._break_off(self._refused or Failure.BAD_REQUEST)
        finally:
            self._feeding = False
        if self._in_head and not self._shut:
            self._head_bytes += len(data)
            self._head_timer = self._head_timer or self.loop.call_later(HEAD_S, self._head_too_slow)
            if self._head_bytes > HEAD_BYTES:
                self._break_off(Failure.HEAD_TOO_LARGE)
        held, self._held = self._held, []
        for cycle, app in held:
            super()._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._feeding:
            self._held.append((cycle, app))
        else:
            super()._start_asgi_task(cycle, app)

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._field_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        super().on_url(url)
        if len(self.url) > TARGET_BYTES:
            self._refuse(Failure.TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer."""
        super().on_header(name, value)
        self._field_bytes += len(name) + len(value) + 4
        if len(self.headers) > HEAD_FIELDS or self._field_bytes > HEAD_BYTES:
            self._refuse(Failure.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole; what comes into `self.headers` from now on is trailers."""
        self._in_head = False
        self._stop_head_timer()
        self.scope["headers"] = list(self.headers)
        authority, self.url = split_target(self.url)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return  # a WebSocket handshake: `_upgrade` goes on with it
        self.cycle.__class__ = Cycle  # uvicorn makes the object; nothing has run on it yet
        extensions = {TARGET_EXTENSION: self.url, AUTHORITY_EXTENSION: authority, GONE_EXTENSION: self._gone}
        cast(dict[str, Any], self.scope)["extensions"] = extensions
        self._unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        self._unanswered.append(self.cycle)
        if len(self.pipeline) <= PIPELINED:
            self.flow.resume_reading()

    # what goes no further

    def _refuse(self, failure: Failure) -> None:
        self._refused = failure
        raise ValueError(failure.code)  # httptools turns it into a parser error, which ends the parsing

    def _break_off(self, failure: Failure) -> None:
        """Read no more. What was asked rightly before is answered in turn; then, or at once, the client is told."""
        self._shut = True
        self._stop_head_timer()
        waiting = [cycle for cycle in self._unanswered if not cycle.response_complete]
        if waiting and waiting[-1].more_body:  # the fault lies in the newest request's own body
            broken = waiting.pop()
            if not self._forget(broken):
                broken.disconnected = True
                broken.message_event.set()
                if broken.response_started:
                    self.transport.close()  # nothing of ours may stand within an answer
                    return
        if waiting:
            waiting[-1].keep_alive = False
        else:
            self.answer(failure)

    def _forget(self, cycle: RequestResponseCycle) -> bool:
        """Take back a request that no task works on yet."""
        for queue in (self._held, self.pipeline):
            for pair in list(queue):
                if pair[0] is cycle:
                    queue.remove(pair)
                    return True
        return False

    def answer(self, failure: Failure) -> None:
        """Tell the client itself, in the gateway's words, and hang up."""
        self._shut = True
        body = failure_body(failure, uuid4().hex)
        head = b"content-type: application/json; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[failure.status] + head % len(body) + body)
        self.transport.close()

    def _head_too_slow(self) -> None:
        self._break_off(Failure.HEAD_TOO_SLOW)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _upgrade(self) -> None:
        """Hand a WebSocket handshake over; any other upgrade is not offered, so its request is an ordinary one."""
        if not self._should_upgrade():
            self._shut = True  # the parser takes what follows for another protocol
            self.cycle.keep_alive = False
            return
        names = [name for name, _ in self.scope["headers"]]
        if b"content-length" in names or b"transfer-encoding" in names or self._unanswered_now():
            self._break_off(Failure.BAD_REQUEST)
            return
        self._shut = True
        self.handle_websocket_upgrade()

    def _unanswered_now(self) -> bool:
        return any(not cycle.response_complete for cycle in self._unanswered)
