"""One request that an ASGI app answers, as uvicorn has it, with an answer's bytes written as legacy would write them.

uvicorn lower-cases names, makes reason phrases and checks what has been checked before; it gives HTTP/1.0 clients
chunks and knows no trailers. Here the app's messages may carry `reason` and `trailers` beside ASGI's own keys.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.failure import Failure
from gateway.message import Response, Side
from gateway.proxy import wire
from gateway.proxy.arrival import EXPECT, Arrival
from gateway.proxy.receive import ARRIVAL_EXTENSION, GONE_EXTENSION
from gateway.proxy.respond import WHOLE, end_of, failure_bytes, head_for_client, start_of
from gateway.proxy.wire import Framing
from gateway.telemetry import log

if TYPE_CHECKING:
    from gateway.proxy.door import Door

JOINED: Final = 64 * 1024  # bytes of a body that are copied to leave with the head
_RESET: Final = struct.pack("ii", 1, 0)


def reset(transport: Any) -> None:
    """End a connection so that the client cannot take it for the end of its answer."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class Cycle(RequestResponseCycle):
    """The door makes one per request; what the client sends goes in by `take` and `end_body`."""

    framing = Framing.CHUNKED
    _head = b""  # of the answer, while it waits for the first of the body
    _loop: asyncio.AbstractEventLoop
    _finish: Callable[[], None]  # ends the connection
    _tasks: set[asyncio.Task[None]]  # the server's, which waits for them at its end
    task: asyncio.Task[None]  # this one's

    def take(self, body: bytes) -> None:
        """A part of the request's body."""
        if self.response_complete:
            return
        self.body += body
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    def end_body(self) -> None:
        """The request is whole."""
        self.more_body = False
        if not self.response_complete:
            self.message_event.set()

    def leave(self, failure: Failure) -> None:
        """The client has gone, or what it sends is no HTTP any more; the app hears the same in both cases."""
        self.disconnected = self.disconnected or not self.response_complete
        self.waiting_for_100_continue = False  # whoever still reads must not write to a connection that ends
        self.message_event.set()

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the app to its end; whatever it leaves undone is a cut, or an answer of ours."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as bug:  # noqa: BLE001 - the ASGI edge: nobody else would tell the client
            if not isinstance(bug, asyncio.CancelledError):
                log("gateway_bug", level=logging.ERROR, bug=bug)
        finally:
            if not self.response_complete and not self.disconnected:
                self._break_off()
            self.on_response = _nothing
            self._tasks.discard(self.task)

    def _break_off(self) -> None:
        if not self.response_started:
            self.transport.write(failure_bytes(Failure.GATEWAY_BUG, head_only=self.scope["method"] == "HEAD"))
            self._finish()
            return
        self._write_head()
        if self.framing is Framing.UNTIL_CLOSE:
            reset(self.transport)
        else:
            self._finish()

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind: str = message["type"]
        if kind == WHOLE and not self.response_started:
            self._answer(message["answer"], message["request_id"], message["side"])
        elif kind == "http.response.start" and not self.response_started:
            self._begin(message)
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._go_on(message)
        elif kind == "strangler.interim" and not self.response_started and self.scope["http_version"] == "1.1":
            head = wire.head(message["status"], message["reason"], message["headers"], Framing.BODILESS, keep=True)
            self.transport.write(head)
        elif kind != "strangler.interim":
            raise RuntimeError(f"ASGI message {kind!r} comes at the wrong moment")

    def _answer(self, answer: Response, request_id: str, side: Side | None) -> None:
        """The whole answer at once, in one piece where that is safe."""
        body, length = answer.whole or b"", _length(answer.headers)
        version: str = self.scope["http_version"]
        framing = wire.framing_of(self.scope["method"], answer.status, sized=length is not None, version=version)
        simple = framing is Framing.BODILESS or (framing is Framing.SIZED and length == len(body))
        if not simple or self.more_body or len(body) > JOINED:
            self._begin(start_of(answer, request_id, side))
            self._go_on(end_of(body, answer))
            return
        self.response_started = self.response_complete = True
        self.framing = framing
        keep = self.keep_alive
        head = head_for_client(
            answer.status, answer.reason, answer.headers, framing, request_id=request_id, side=side, keep=keep
        )
        self.transport.write(head if framing is Framing.BODILESS else head + body)
        self.message_event.set()
        self.on_response()

    def _begin(self, message: Any) -> None:
        self.response_started = True
        status, headers = message["status"], message.get("headers", ())
        version = self.scope["http_version"]
        length = _length(headers)
        self.framing = wire.framing_of(self.scope["method"], status, sized=length is not None, version=version)
        if self.waiting_for_100_continue and self.more_body:
            self.keep_alive = False  # nobody asked for the body: it may come or not, so what follows is unclear
            self.waiting_for_100_continue = False
        says_close = any(name == b"connection" for name, _ in headers)  # our own failures do
        self.keep_alive = self.keep_alive and not says_close and self.framing is not Framing.UNTIL_CLOSE
        self.expected_content_length = (length or 0) if self.framing is Framing.SIZED else 0
        keep = self.keep_alive or says_close
        self._head = wire.head(status, message.get("reason"), headers, self.framing, keep=keep)
        self._loop.call_soon(self._write_head)  # or with the body, when that comes in this turn of the loop

    def _write_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)

    def _write(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head and len(data) > JOINED:
            self.transport.write(head)
            head = b""
        self.transport.write(head + data if head else data)

    def _go_on(self, message: Any) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if body and self.framing is not Framing.BODILESS:
            if self.framing is Framing.SIZED:
                self.expected_content_length -= len(body)
                if self.expected_content_length < 0:
                    raise RuntimeError("Response content longer than Content-Length")
            self._write(wire.chunk(body) if self.framing is Framing.CHUNKED else body)
        if more:
            return
        if self.expected_content_length:
            raise RuntimeError("Response content shorter than Content-Length")
        if self.framing is Framing.CHUNKED:
            self._write(wire.last_chunk(message.get("trailers", ())))
        self._write_head()
        self.response_complete = True
        self.message_event.set()
        self.on_response()


def cycle_of(arrival: Arrival, door: Door, *, gone: asyncio.Future[None]) -> Cycle:
    """An ASGI cycle for a request; its scope carries what the door has read already."""
    request = arrival.request
    path, _, query = request.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": door.asgi_version, "spec_version": "2.3"},
        "http_version": arrival.version,
        "method": request.method,
        "scheme": door.scheme,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": door.root_path,
        "headers": request.headers,
        "server": door.server,
        "client": door.client,
        "state": door.app_state,
        "extensions": {ARRIVAL_EXTENSION: arrival, GONE_EXTENSION: gone},
    }
    cycle = Cycle(
        scope=cast(Any, scope),
        transport=door.transport,
        flow=door.flow,
        logger=door.logger,
        access_logger=door.access_logger,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=arrival.head.facts & EXPECT != 0
        and arrival.head.value(b"expect").lower() == b"100-continue",
        keep_alive=True,
        on_response=door.answered,
    )
    cycle._loop, cycle._finish, cycle._tasks = door.loop, door.finish, door.tasks
    return cycle


def _nothing() -> None:
    """Tell nobody."""


def _length(headers: Any) -> int | None:
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value)
    return None
