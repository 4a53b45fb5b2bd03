"""What is taken down of a WebSocket's handshake that the edge passes on: in the ledger, the access log and a trace.

It changes nothing but `traceparent` of what the side is sent, where traces are made.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from gateway.failure import Failure
from gateway.proxy.entry import count_token, line_of
from gateway.proxy.outbound import build
from gateway.upstream.wire import outgoing

if TYPE_CHECKING:  # the second imports OpenTelemetry, which need not be there
    from gateway.proxy.relaying import ByWire
    from gateway.proxy.tracing.spans import CallSpan


class Handshake:
    """Begun once it is routed. How long the WebSocket then lives is no request's time."""

    __slots__ = ("_begun", "_call", "_errand", "_span")

    def __init__(self, errand: ByWire) -> None:
        self._errand, self._begun = errand, perf_counter()
        self._call: CallSpan | None = None
        self._span = None
        tracing, routed = errand.gateway.tracing, errand.routed
        count_token(routed)
        if tracing is not None:
            self._span = tracing.begin(errand.request, decision=routed.decision, route=routed.route, stage=routed.stage)

    def asks(self) -> bytes:
        """The head of what the side is sent now."""
        errand = self._errand
        if self._span is None:
            return errand.head
        side, gateway = errand.routed.decision.authoritative, errand.gateway
        outbound = build(errand.arrival, side, errand.routed.route, gateway.addressing)
        headers, self._call = self._span.call(outbound.method, outbound.headers, side, gateway.origins[side])
        traced = outgoing(outbound.with_headers(headers), b"")
        return errand.head if traced is None else traced.head

    def ends(self, status: int, failure: Failure | None) -> None:
        """The client has been told what became of it, or has left."""
        errand, total_s = self._errand, perf_counter() - self._begun
        ledger, routed = errand.gateway.ledger, errand.routed
        ledger.ended(routed.key, routed.stage, routed.decision.authoritative, status, total_s)
        code, trace_id = "" if failure is None else failure.code, "" if self._span is None else self._span.trace_id
        if ledger.wants_line():
            first_byte_ms = total_s * 1000
            ledger.line(line_of(errand.request, routed, status, failure, 0, first_byte_ms, total_s, trace_id=trace_id))
        if self._call is not None:
            self._call.ended(None if failure is not None else status, code)
        if self._span is not None:
            self._span.ended(status, code)
