"""One request that an ASGI app answers: its `receive` and `send`, and an answer's bytes as legacy would write them.

uvicorn's own cycle lower-cases names, makes reason phrases and checks what has been checked before; it gives HTTP/1.0
clients chunks and knows no trailers. Here the app's messages may carry `reason` and `trailers` beside ASGI's own keys,
and our own app may hand over a whole answer at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from gateway.failure import Failure
from gateway.message import Response, Side
from gateway.proxy import wire
from gateway.proxy.arrival import EXPECT, Arrival
from gateway.proxy.receive import DOOR
from gateway.proxy.reset import reset
from gateway.proxy.respond import failure_bytes, head_for_client
from gateway.proxy.wire import Framing
from gateway.telemetry import log

if TYPE_CHECKING:
    from gateway.proxy.door import Door

JOINED: Final = 64 * 1024  # bytes of a body that are copied to leave with the head


class Cycle:
    """The door makes one per request; what the client sends goes in by `take` and `end_body`."""

    __slots__ = (
        "_body", "_disconnected", "_door", "_event", "_framing", "_head", "_left", "_news", "_wants_100", "arrival",
        "gone", "keep_alive", "more_body", "response_complete", "response_started", "task",
    )  # fmt: skip

    def __init__(self, arrival: Arrival, door: Door, gone: asyncio.Future[None]) -> None:
        self.arrival, self.gone, self._door = arrival, gone, door
        self.task: asyncio.Task[None] | None = None  # which runs the app
        self.keep_alive = self.more_body = True
        self.response_started = self.response_complete = self._disconnected = False
        head = arrival.head
        self._wants_100 = head.facts & EXPECT != 0 and head.value(b"expect").lower() == b"100-continue"
        self._body = bytearray()
        self._news = False  # there is something to receive
        self._event: asyncio.Event | None = None  # the same for an app that has asked
        self._framing = Framing.CHUNKED
        self._head = b""  # of the answer, while it waits for the first of the body
        self._left = 0  # bytes of a sized answer that are still to come

    # for the door

    def take(self, body: bytes) -> None:
        """A part of the request's body."""
        if self.response_complete:
            return
        self._body += body
        if len(self._body) > HIGH_WATER_LIMIT:
            self._door.flow.pause_reading()
        self._tell()

    def end_body(self) -> None:
        """The request is whole."""
        self.more_body = False
        if not self.response_complete:
            self._tell()

    def leave(self, failure: Failure) -> None:
        """The client has gone, or what it sends is no HTTP any more; the app hears the same in both cases."""
        self._disconnected = self._disconnected or not self.response_complete
        self._wants_100 = False  # whoever still reads must not write to a connection that ends
        self._tell()

    async def run(self, app: ASGI3Application, scope: Any) -> None:
        """Run the app to its end; whatever it leaves undone is a cut, or an answer of ours."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as bug:  # noqa: BLE001 - the ASGI edge: nobody else would tell the client
            if not isinstance(bug, asyncio.CancelledError):
                log("gateway_bug", level=logging.ERROR, bug=bug)
        finally:
            if not self.response_complete and not self._disconnected:
                self._break_off()
            self._disconnected = True  # a task that the app has left behind has nobody to talk to
            if self.task is not None:
                self._door.tasks.discard(self.task)

    def _tell(self) -> None:
        self._news = True
        if self._event is not None:
            self._event.set()

    # for the app

    async def receive(self) -> Any:
        """The next part of the request, then the news that the client has gone."""
        door = self._door
        if self._wants_100 and not door.transport.is_closing():
            door.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._wants_100 = False
        if not self._disconnected and not self.response_complete:
            door.flow.resume_reading()
            await self._hear()
        if self._disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def _hear(self) -> None:
        if not self._news:
            if self._event is None:
                self._event = asyncio.Event()
            self._event.clear()
            await self._event.wait()
        self._news = False

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if self._door.flow.write_paused and not self._disconnected:
            await self._door.flow.drain()
        if self._disconnected:
            return
        kind: str = message["type"]
        if kind == "http.response.start" and not self.response_started:
            self._begin(message)
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._go_on(message)
        elif kind == "strangler.interim" and not self.response_started and self.arrival.version == "1.1":
            head = wire.head(message["status"], message["reason"], message["headers"], Framing.BODILESS, keep=True)
            self._door.transport.write(head)
        elif kind != "strangler.interim":
            raise RuntimeError(f"ASGI message {kind!r} comes at the wrong moment")

    def answers_at_once(self, answer: Response, body: bytes, request_id: str, side: Side | None) -> bool:
        """Write a whole answer in one piece where that is safe; False, and nothing is written, where it is not."""
        arrival = self.arrival
        framing = wire.framing_of(
            arrival.request.method, answer.status, sized=answer.length >= 0, version=arrival.version
        )
        simple = framing is Framing.BODILESS or (framing is Framing.SIZED and answer.length == len(body))
        if not simple or self.response_started or self.more_body or self._disconnected or len(body) > JOINED:
            return False
        door = self._door
        if door.flow.write_paused:
            return False
        self.response_started = self.response_complete = True
        head = head_for_client(
            answer.status,
            answer.reason,
            answer.headers,
            framing,
            request_id=request_id,
            side=side,
            keep=self.keep_alive,
        )
        door.transport.write(head if framing is Framing.BODILESS else head + body)
        self._end()
        return True

    def _begin(self, message: Any) -> None:
        self.response_started = True
        arrival, status, headers = self.arrival, message["status"], message.get("headers", ())
        length = _length(headers)
        self._framing = wire.framing_of(
            arrival.request.method, status, sized=length is not None, version=arrival.version
        )
        if self._wants_100 and self.more_body:
            self.keep_alive = False  # nobody asked for the body: it may come or not, so what follows is unclear
            self._wants_100 = False
        says_close = any(name == b"connection" for name, _ in headers)  # our own failures do
        self.keep_alive = self.keep_alive and not says_close and self._framing is not Framing.UNTIL_CLOSE
        self._left = (length or 0) if self._framing is Framing.SIZED else 0
        keep = self.keep_alive or says_close
        self._head = wire.head(status, message.get("reason"), headers, self._framing, keep=keep)
        self._door.loop.call_soon(self._write_head)  # or with the body, when that comes in this turn of the loop

    def _write_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self._door.transport.is_closing():
            self._door.transport.write(head)

    def _write(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head and len(data) > JOINED:
            self._door.transport.write(head)
            head = b""
        self._door.transport.write(head + data if head else data)

    def _go_on(self, message: Any) -> None:
        body, more = message.get("body", b""), message.get("more_body", False)
        if body and self._framing is not Framing.BODILESS:
            if self._framing is Framing.SIZED:
                self._left -= len(body)
                if self._left < 0:
                    raise RuntimeError("Response content longer than Content-Length")
            self._write(wire.chunk(body) if self._framing is Framing.CHUNKED else body)
        if more:
            return
        if self._left:
            raise RuntimeError("Response content shorter than Content-Length")
        if self._framing is Framing.CHUNKED:
            self._write(wire.last_chunk(message.get("trailers", ())))
        self._write_head()
        self.response_complete = True
        self._end()

    def _end(self) -> None:
        self._tell()
        self._door.answered()

    def _break_off(self) -> None:
        door = self._door
        if not self.response_started:
            door.transport.write(failure_bytes(Failure.GATEWAY_BUG, head_only=self.arrival.request.method == "HEAD"))
            door.finish()
            return
        self._write_head()
        if self._framing is Framing.UNTIL_CLOSE:
            reset(door.transport)
        else:
            door.finish()


def scope_of(cycle: Cycle, door: Door) -> dict[str, Any]:
    """The ASGI scope of a request, which carries what the door has read already."""
    arrival = cycle.arrival
    request = arrival.request
    path, _, query = request.target.partition(b"?")
    return {
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
        "extensions": {DOOR: cycle},
    }


def _length(headers: Any) -> int | None:
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value)
    return None
