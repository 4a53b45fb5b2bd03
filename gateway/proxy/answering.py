"""The client's end of a request that is answered by callbacks: what it is told, what is kept and taken down of it.

Whoever brings the answer is a class over this one: a connection to an origin (`relaying.py`) or an app in this process
(`hosting.py`). Nothing is held here but what is being compared.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway.failure import Failure
from gateway.message import Header, Request
from gateway.proxy import wire
from gateway.proxy.app import Gateway
from gateway.proxy.arrival import Arrival
from gateway.proxy.copying import Exchanged, offer
from gateway.proxy.entry import line_of
from gateway.proxy.reset import reset
from gateway.proxy.respond import failure_bytes, head_for_client
from gateway.proxy.tap import Capture
from gateway.proxy.wire import Framing
from gateway.rollout.routed import Routed
from gateway.telemetry import count, log

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge

JOINED: Final = 256 * 1024  # bytes of a body that leave with the head, in one write


@dataclass(slots=True)
class Errand:
    """A request that somebody is to answer. `timeout_s` bounds the time to the answer's head.

    Never changed; it is not frozen because that would make it three times as slow to make.
    """

    gateway: Gateway
    arrival: Arrival
    request: Request
    version: str
    routed: Routed
    timeout_s: float


class Answering:
    """One exchange. The door reads `keep_alive`, `more_body`, `response_started` and `response_complete`."""

    __slots__ = (
        "_begun", "_capture", "_edge", "_errand", "_first_byte_s", "_framing", "_sent", "_told", "_transport",
        "keep_alive", "more_body", "response_complete", "response_started",
    )  # fmt: skip

    def __init__(self, edge: Edge, errand: Errand, capture: Capture | None) -> None:
        self._edge, self._errand, self._capture = edge, errand, capture
        self._transport = edge.transport
        self._begun = perf_counter()
        self._sent = self._told = 0
        self._first_byte_s = 0.0
        self._framing = Framing.BODILESS
        self.keep_alive = True
        self.more_body = errand.request.body is not None
        self.response_started = self.response_complete = False

    # for whoever looks at what is under way

    @property
    def routed(self) -> Routed:
        return self._errand.routed

    @property
    def begun(self) -> float:
        return self._begun

    @property
    def waits(self) -> bool:
        return not (self.response_started or self.response_complete or self.more_body)

    @property
    def over(self) -> bool:
        return self.response_complete

    # for the door

    def start(self) -> None:
        """Ask the side; all that came with the request's head is here."""
        raise NotImplementedError

    def let_go(self) -> None:
        """The side is not wanted any more."""
        raise NotImplementedError

    def take(self, body: bytes) -> None:
        """A part of the request's body."""

    def end_body(self) -> None:
        """The request is whole."""

    def full_client(self) -> None:
        """The client does not take the answer as fast as it comes."""
        raise NotImplementedError

    def room_client(self) -> None:
        """The client takes more."""
        raise NotImplementedError

    def leave(self, failure: Failure) -> None:
        """The client has gone, or what it sends is no HTTP any more."""
        if self.response_complete:
            return
        self.response_complete = True
        self.let_go()
        if failure is Failure.CLIENT_GONE:
            count("client_gone")
        self._write_down(self._told or failure.status, failure)

    # the answer

    def answer_at_once(
        self,
        status: int,
        reason: bytes | None,
        headers: Sequence[Header],
        length: int,
        body: bytes,
        trailers: Sequence[Header],
    ) -> None:
        """The whole answer is here: write it in one piece. `length` is what its head says, -1 for nothing."""
        head = self._head(status, reason, headers, length)
        self._sent = len(body)
        if self._capture is not None and body:
            self._capture.answered.add(body)
        if self._framing is Framing.CHUNKED:
            body = (wire.chunk(body) if body else b"") + wire.last_chunk(trailers)
        self._transport.write(head + body)
        self.end()

    def begin_answer(self, status: int, reason: bytes | None, headers: Sequence[Header], length: int) -> None:
        """The head is here."""
        self._transport.write(self._head(status, reason, headers, length))

    def write_body(self, chunks: Iterable[bytes]) -> None:
        """A part of the body."""
        write, chunked = self._transport.write, self._framing is Framing.CHUNKED
        for data in chunks:
            self._keep(data)
            write(wire.chunk(data) if chunked else data)

    def end_answer(self, trailers: Sequence[Header]) -> None:
        """The body is over."""
        if self._framing is Framing.CHUNKED:
            self._transport.write(wire.last_chunk(trailers))
        self.end()

    def end(self) -> None:
        """The client has its whole answer."""
        self.response_complete = True
        if self._capture is not None:
            self._capture.answered.end()
        self.let_go()
        self._write_down(self._told, None)
        self._edge.answered()

    def _head(self, status: int, reason: bytes | None, headers: Sequence[Header], length: int) -> bytes:
        errand = self._errand
        request = errand.request
        side = errand.routed.decision.authoritative if errand.gateway.names_side else None
        framing = wire.framing_of(request.method, status, sized=length >= 0, version=errand.version)
        self._framing, self._told = framing, status
        if framing is Framing.UNTIL_CLOSE:
            self.keep_alive = False
        self.response_started = True
        self._first_byte_s = perf_counter() - self._begun
        if self._capture is not None:
            self._capture.head(status, tuple(headers), 0 if framing is Framing.BODILESS else length)
        return head_for_client(status, reason, headers, framing, request_id=request.id, side=side, keep=self.keep_alive)

    def _keep(self, data: bytes) -> None:
        self._sent += len(data)
        if self._capture is not None:
            self._capture.answered.add(data)

    # what goes wrong

    def fail(self, failure: Failure, *, retry_after_s: int | None = None) -> None:
        """Tell the client in the gateway's words."""
        request = self._errand.request
        if failure.status < 500 or self.more_body:
            self.keep_alive = False
        self.response_started = self.response_complete = True
        self._tell("request_failed", failure)
        keep, head_only = self.keep_alive, request.method == "HEAD"
        answer = failure_bytes(failure, request.id, keep=keep, head_only=head_only, retry_after_s=retry_after_s)
        self._transport.write(answer)
        self._write_down(failure.status, failure)
        self._edge.answered()

    def cut(self, failure: Failure) -> None:
        """End the client's connection within the answer; it must not look like the answer's end."""
        self.response_complete = True
        self.let_go()
        self._tell("answer_cut", failure)
        self._write_down(self._told, failure)
        if self._framing is Framing.UNTIL_CLOSE:
            reset(self._transport)
        else:
            self._edge.finish()

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

    def _write_down(self, status: int, failure: Failure | None) -> None:
        """Take down how it ended; a copy is offered once the client's bytes are on their way."""
        errand, total_s = self._errand, perf_counter() - self._begun
        gateway, routed = errand.gateway, errand.routed
        ledger = gateway.ledger
        ledger.ended(routed.key, routed.stage, routed.decision.authoritative, status, total_s)
        if ledger.wants_line():
            first_byte_ms = self._first_byte_s * 1000
            ledger.line(line_of(errand.request, routed, status, failure, self._sent, first_byte_ms, total_s))
        capture = self._capture
        if capture is not None and capture.open:
            capture.open = False
            done = Exchanged(capture, errand.arrival, routed, failure, None)
            self._edge.loop.call_soon(offer, gateway.mirror, gateway.addressing, done)
