"""One request that is relayed by callbacks between two connections: no task, no ASGI, nothing held but what is full.

It is driven from both ends: by the door (`take`, `end_body`, `leave`, `full_client`, `room_client`) and by the
connection to the origin (`heard`, `full`, `room`). What it decides, it decides as `relay/exchange.py` does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway.failure import Failure
from gateway.message import Request
from gateway.proxy import wire
from gateway.proxy.app import Gateway
from gateway.proxy.arrival import Arrival
from gateway.proxy.cycle import reset
from gateway.proxy.entry import line_of
from gateway.proxy.respond import failure_bytes, head_for_client
from gateway.proxy.wire import Framing
from gateway.relay.answer import AnswerReader
from gateway.relay.connection import NEVER, Connection
from gateway.relay.trouble import Trouble
from gateway.rollout.routed import Routed
from gateway.telemetry import count, log, request_id
from gateway.upstream.http import HttpTransport
from gateway.upstream.wire import SAFE_METHODS

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge

EARLY: Final = 256 * 1024  # bytes of a request's body held while a connection is made


@dataclass(slots=True)
class Errand:
    """What is to be relayed and to whom; `head` is what the side is sent, `timeout_s` bounds its answer's head.

    Never changed; it is not frozen because that would make it three times as slow to make.
    """

    gateway: Gateway
    arrival: Arrival
    request: Request
    version: str
    routed: Routed
    transport: HttpTransport
    head: bytes
    chunked: bool
    timeout_s: float


class Relaying:
    """Made by the edge when a request's head is here; `start` when all that came with it is."""

    __slots__ = (
        "_begun", "_connection", "_early", "_early_bytes", "_edge", "_errand", "_first_byte_s", "_framing",
        "_pending", "_pool", "_reused", "_sent", "_told", "_transport", "keep_alive", "more_body",
        "response_complete", "response_started",
    )  # fmt: skip

    def __init__(self, edge: Edge, errand: Errand) -> None:
        self._edge, self._errand = edge, errand
        self._transport = edge.transport
        self._pool = errand.transport.pool
        self._begun = perf_counter()
        self._connection: Connection | None = None
        self._pending: asyncio.Task[None] | None = None  # waits for a connection
        self._early: list[bytes] = []
        self._early_bytes = self._sent = self._told = 0
        self._first_byte_s = 0.0
        self._framing = Framing.BODILESS
        self._reused = False
        self.keep_alive = True
        self.more_body = errand.request.body is not None
        self.response_started = self.response_complete = False

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
            self._fail(connection)

    def _send_on(self, connection: Connection) -> None:
        errand = self._errand
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
            connection.body_by = connection.taken_by = NEVER
            if not self.response_started:
                connection.answer_by = self._edge.loop.time() + self._errand.timeout_s

    def leave(self, failure: Failure) -> None:
        """The client has gone, or what it sends is no HTTP any more."""
        if self.response_complete:
            return
        self.response_complete = True
        if self._pending is not None:
            self._pending.cancel()
        self._give_back()
        if failure is Failure.CLIENT_GONE:
            count("client_gone")
        self._write_down(self._told or failure.status, failure)

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
        self._edge.flow.resume_reading()

    def heard(self) -> None:
        """News of the answer."""
        connection = self._connection
        if connection is None or self.response_complete:
            return
        answer = connection.answer
        if answer.complete and not self.response_started and not answer.interim and answer.held < EARLY:
            self._answer_at_once(connection)
            return
        if answer.interim and not self.response_started:
            self._pass_on_interim(answer.interim)
        if answer.status and not self.response_started:
            self._begin_answer(connection)
        elif answer.chunks:
            self._write_body(answer.take())
        if answer.complete:
            self._finish(connection)
        elif answer.trouble is not None:
            self._break_off(connection, answer.trouble)
        elif self.response_started:
            if self._edge.flow.write_paused:
                self.full_client()
            else:
                self.room_client()

    # the answer

    def _pass_on_interim(self, interim: list[tuple[int, bytes, list[tuple[bytes, bytes]]]]) -> None:
        """1xx answers other than 100 go to the client as they are (RFC 9110 section 15.2)."""
        if self._errand.version == "1.1":
            for status, reason, headers in interim:
                self._transport.write(wire.head(status, reason, headers, Framing.BODILESS, keep=True))
        interim.clear()

    def _answer_at_once(self, connection: Connection) -> None:
        """The whole answer is here: write it in one piece."""
        answer = connection.answer
        head, body = self._head_of(answer), answer.body()
        self._sent = len(body)
        if self._framing is Framing.CHUNKED:
            body = (wire.chunk(body) if body else b"") + wire.last_chunk(answer.trailers)
        self._transport.write(head + body)
        self._end()

    def _begin_answer(self, connection: Connection) -> None:
        answer = connection.answer
        self._transport.write(self._head_of(answer))
        if answer.chunks:
            self._write_body(answer.take())

    def _head_of(self, answer: AnswerReader) -> bytes:
        """The bytes of the head, whose answer begins with it."""
        errand = self._errand
        request, version = errand.request, errand.version
        side = errand.routed.decision.authoritative if errand.gateway.names_side else None
        framing = wire.framing_of(request.method, answer.status, sized=answer.length >= 0, version=version)
        self._framing = framing
        if framing is Framing.UNTIL_CLOSE:
            self.keep_alive = False
        self.response_started = True
        self._told = status = answer.status
        self._first_byte_s = perf_counter() - self._begun
        return head_for_client(
            status, answer.reason, answer.headers, framing, request_id=request.id, side=side, keep=self.keep_alive
        )

    def _write_body(self, chunks: Iterable[bytes]) -> None:
        write, chunked = self._transport.write, self._framing is Framing.CHUNKED
        for data in chunks:
            self._sent += len(data)
            write(wire.chunk(data) if chunked else data)

    def _finish(self, connection: Connection) -> None:
        if self._framing is Framing.CHUNKED:
            self._transport.write(wire.last_chunk(connection.answer.trailers))
        self._end()

    def _end(self) -> None:
        """The client has its whole answer."""
        self.response_complete = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)
        self._write_down(self._told, None)
        self._edge.answered()

    # what goes wrong

    def _break_off(self, connection: Connection, trouble: Trouble) -> None:
        if self.response_started:
            self._cut(trouble)
            return
        died_early = trouble is Trouble.RESET and connection.answer.untouched
        self._give_back()
        if died_early and self._reused and self._repeatable():
            self.start()  # an idle connection was dead, and asking again changes nothing
        else:
            self._fail(trouble)

    def _fail(self, trouble: Trouble) -> None:
        """Tell the client in the gateway's words."""
        failure, request = self._errand.transport.failure(trouble), self._errand.request
        if failure.status < 500 or self.more_body:
            self.keep_alive = False
        self.response_started = self.response_complete = True
        self._tell("request_failed", failure)
        answer = failure_bytes(failure, request.id, keep=self.keep_alive, head_only=request.method == "HEAD")
        self._transport.write(answer)
        self._write_down(failure.status, failure)
        self._edge.answered()

    def _cut(self, trouble: Trouble) -> None:
        """End the client's connection within the answer; it must not look like the answer's end."""
        failure = self._errand.transport.failure(trouble)
        self.response_complete = True
        self._give_back()
        self._tell("answer_cut", failure)
        self._write_down(self._told, failure)
        if self._framing is Framing.UNTIL_CLOSE:
            reset(self._transport)
        else:
            self._transport.close()

    def _tell(self, event: str, failure: Failure) -> None:
        count(f"failure.{failure.code}")
        routed = self._errand.routed
        log(
            event,
            level=logging.WARNING,
            code=failure.code,
            route=routed.key,
            side=routed.decision.authoritative,
            reason=routed.decision.reason,
            request_id=self._errand.request.id,
        )

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)

    def _repeatable(self) -> bool:
        """Whether asking again changes nothing (RFC 9110 section 9.2.1); a body would be gone by now."""
        request = self._errand.request
        return request.body is None and request.method in SAFE_METHODS

    def _write_down(self, status: int, failure: Failure | None) -> None:
        """Take down how it ended."""
        errand, total_s = self._errand, perf_counter() - self._begun
        ledger, routed = errand.gateway.ledger, errand.routed
        _, _, decision, key, stage, _ = routed
        ledger.ended(key, stage, decision.authoritative, status, total_s)
        if ledger.wants_line():
            first_byte_ms, sent = self._first_byte_s * 1000, self._sent
            ledger.line(line_of(errand.request, routed, status, failure, sent, first_byte_ms, total_s))
