"""One request that is relayed by callbacks between two connections: no task, no ASGI, nothing held but what is full.

It is driven from both ends: by the door (`take`, `end_body`, `leave`, `full_client`, `room_client`) and by the
connection to the origin (`heard`, `full`, `room`). What it decides, it decides as `relay/exchange.py` does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.proxy import wire
from gateway.proxy.answering import JOINED, Answering, Errand
from gateway.proxy.tap import Capture
from gateway.proxy.wire import Framing
from gateway.relay.connection import NEVER, Connection
from gateway.relay.trouble import Trouble
from gateway.telemetry import request_id
from gateway.upstream.http import HttpTransport
from gateway.upstream.wire import SAFE_METHODS

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge

EARLY: Final = 256 * 1024  # bytes of a request's body held while a connection is made


@dataclass(slots=True)
class ByWire(Errand):
    """An errand to a side that is reached over HTTP: `head` is what it is sent."""

    transport: HttpTransport
    head: bytes
    chunked: bool


class Relaying(Answering):
    """Made by the edge when a request's head is here; `start` when all that came with it is."""

    __slots__ = ("_connection", "_early", "_early_bytes", "_pending", "_pool", "_reused")
    _errand: ByWire

    def __init__(self, edge: Edge, errand: ByWire, capture: Capture | None) -> None:
        super().__init__(edge, errand, capture)
        self._pool = errand.transport.pool
        self._connection: Connection | None = None
        self._pending: asyncio.Task[None] | None = None  # waits for a connection
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._reused = False

    def start(self) -> None:
        """Send it, at once when a connection is idle."""
        connection = self._pool.pick()
        if connection is not None:
            self._send_on(connection)
        else:
            self._pending = self._edge.loop.create_task(self._wait_for_connection())
            self._edge.tasks.add(self._pending)
            self._pending.add_done_callback(self._edge.tasks.discard)

    async def _wait_for_connection(self) -> None:
        request_id.set(self._errand.request.id)
        connection = await self._pool.take()
        self._pending = None
        if isinstance(connection, Connection):
            self._edge.flow.resume_reading()
            self._send_on(connection)  # which may find the origin full at once
        else:
            failure = self._errand.transport.failure(connection)
            self.fail(failure, retry_after_s=self._errand.transport.retry_after_s(failure))

    def _send_on(self, connection: Connection) -> None:
        errand = self._errand
        if self._capture is not None:
            self._capture.begin()
        self._connection, self._reused = connection, connection.uses > 0
        data = errand.head
        if self._early:
            data, self._early = b"".join([data, *self._early]), []
        connection.begin(self, data, head_only=errand.request.method == "HEAD")
        now = self._edge.loop.time()
        if not self.more_body:
            connection.sent_whole = True
            connection.answer_by = now + errand.timeout_s
        elif not connection.write_paused:
            connection.body_by = now + errand.transport.body_idle_s

    # the client's end

    def take(self, body: bytes) -> None:
        """A part of the request's body."""
        if self.response_complete:
            return  # answered before it was whole: the rest is read and dropped
        data = wire.chunk(body) if self._errand.chunked else body
        connection = self._connection
        if connection is None:
            self._early.append(data)
            self._early_bytes += len(data)
            if self._early_bytes > EARLY:
                self._edge.flow.pause_reading()
            return
        connection.transport.write(data)
        now, transport = self._edge.loop.time(), self._errand.transport
        if not connection.write_paused:
            connection.body_by = now + transport.body_idle_s
        if connection.answer_by != NEVER:  # an answer that began early may wait for the rest of the request
            connection.answer_by = now + transport.idle_s

    def end_body(self) -> None:
        """The request is whole."""
        if not self.more_body:
            return
        self.more_body = False
        last = b"0\r\n\r\n" if self._errand.chunked else b""
        connection = self._connection
        if connection is None:
            self._early.append(last)
        elif not self.response_complete:
            if last:
                connection.transport.write(last)
            connection.sent_whole = True
            connection.body_by = NEVER
            if not connection.write_paused:  # else the origin has not taken it yet
                self._wait_for_answer(connection)

    def _wait_for_answer(self, connection: Connection) -> None:
        connection.taken_by = NEVER
        if not self.response_started:
            connection.answer_by = self._edge.loop.time() + self._errand.timeout_s

    def let_go(self) -> None:
        """Give the connection back, or stop waiting for one."""
        if self._pending is not None:
            self._pending.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)

    def full_client(self) -> None:
        """The client does not take the answer as fast as it comes."""
        if self._connection is not None and self.response_started:  # it may be full of an answer before this one
            self._connection.pause()
            self._connection.answer_by = NEVER  # from here on the reader is slow, not the origin

    def room_client(self) -> None:
        """The client takes more."""
        if self._connection is not None and self.response_started:
            self._connection.answer_by = self._edge.loop.time() + self._errand.transport.idle_s
            self._connection.resume()

    # the origin's end: Listener

    def full(self) -> None:
        """The origin does not take the request as fast as it comes."""
        if self._connection is not None and not self.response_complete:
            self._edge.flow.pause_reading()
            self._connection.body_by = NEVER
            self._connection.taken_by = self._edge.loop.time() + self._errand.transport.idle_s

    def room(self) -> None:
        """The origin takes more."""
        connection = self._connection
        if connection is not None:
            connection.taken_by = NEVER
            if self.more_body:
                connection.body_by = self._edge.loop.time() + self._errand.transport.body_idle_s
            elif not self.response_complete:
                self._wait_for_answer(connection)
        self._edge.flow.resume_reading()

    def heard(self) -> None:
        """News of the answer."""
        connection = self._connection
        if connection is None or self.response_complete:
            return
        answer = connection.answer
        if not self.response_started:
            if answer.interim:
                self._pass_on_interim(answer.interim)
            if answer.complete and answer.held < JOINED:
                self.answer_at_once(
                    answer.status, answer.reason, answer.headers, answer.length, answer.body(), answer.trailers
                )
                return
            if answer.status:
                self.begin_answer(answer.status, answer.reason, answer.headers, answer.length)
        if answer.chunks:
            self.write_body(answer.take())
        if answer.complete:
            self.end_answer(answer.trailers)
        elif answer.trouble is not None:
            self._break_off(connection, answer.trouble)
        elif self.response_started:
            if self._edge.flow.write_paused:
                self.full_client()
            else:
                self.room_client()

    def _pass_on_interim(self, interim: list[tuple[int, bytes, list[tuple[bytes, bytes]]]]) -> None:
        """1xx answers other than 100 go to the client as they are (RFC 9110 section 15.2)."""
        if self._errand.version == "1.1":
            for status, reason, headers in interim:
                self._transport.write(wire.head(status, reason, headers, Framing.BODILESS, keep=True))
        interim.clear()

    def _break_off(self, connection: Connection, trouble: Trouble) -> None:
        failure = self._errand.transport.failure(trouble)
        if self.response_started:
            self.cut(failure)
            return
        died_early = trouble is Trouble.RESET and connection.answer.untouched
        self.let_go()
        if died_early and self._reused and self._repeatable():
            self.start()  # an idle connection was dead, and asking again changes nothing
        else:
            self.fail(failure)

    def _repeatable(self) -> bool:
        """Whether asking again changes nothing (RFC 9110 section 9.2.1); a body would be gone by now."""
        request = self._errand.request
        return request.body is None and request.method in SAFE_METHODS
