"""What is taken down of one request on the app's way: in the ledger, the access log and a trace.

It changes nothing but two headers: `traceparent` of what a side is sent, where traces are made, and Server-Timing
of what a tester is sent.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from time import perf_counter, time
from types import TracebackType
from typing import TYPE_CHECKING

from gateway.failure import Failure
from gateway.message import ClientGone, OutboundRequest, Request, Response, Side
from gateway.proxy.access_log import Line
from gateway.proxy.ledger import Ledger
from gateway.proxy.respond import Sent
from gateway.proxy.tap import Capture
from gateway.proxy.timing import server_timing
from gateway.proxy.trace_context import trace_id_of
from gateway.rollout.override import REASON as OVERRIDE
from gateway.rollout.routed import Routed
from gateway.shadow.job import Watch
from gateway.telemetry import count, log

if TYPE_CHECKING:  # the latter imports OpenTelemetry, which need not be there
    from gateway.proxy.receive import Client
    from gateway.proxy.tracing.spans import CallSpan, Tracing


class Entry:
    """Begun once the request is routed; whatever happens within its block, it is written down once.

    `kept` is what keeps the exchange for a comparison: it hears how the block ends, too.
    """

    __slots__ = (
        "_asked",
        "_call",
        "_client",
        "_kept",
        "_ledger",
        "_request",
        "_span",
        "begun",
        "follows",
        "over",
        "routed",
        "told",
    )

    def __init__(
        self,
        ledger: Ledger,
        tracing: Tracing | None,
        request: Request,
        routed: Routed,
        begun: float,
        client: Client,
        kept: Capture | None = None,
    ) -> None:
        self._ledger, self._request, self._client, self._kept = ledger, request, client, kept
        self.routed, self.begun = routed, begun
        self._asked, self.over = begun, False
        self.told = 0  # the status that the client is told, once there is one
        self._call: CallSpan | None = None
        self._span = None
        if routed.tester:  # whose every request takes the app's way
            count_token(routed)
        self.follows = tracing is not None or routed.tester  # whether it has to `ask` and `hear`
        if tracing is not None:
            elapsed_s = perf_counter() - begun
            self._span = tracing.begin(
                request, decision=routed.decision, route=routed.route, stage=routed.stage, elapsed_s=elapsed_s
            )

    def __enter__(self) -> Entry:
        self._ledger.entered.add(self)
        return self

    def __exit__(self, _: type[BaseException] | None, raised: BaseException | None, __: TracebackType | None) -> None:
        if self._kept is not None:
            self._kept.ended(raised)
        if not self.over:
            gone = isinstance(raised, ClientGone | asyncio.CancelledError)
            failure = Failure.CLIENT_GONE if gone else Failure.GATEWAY_BUG
            self.ends(self.told or failure.status, failure)

    @property
    def answering(self) -> Entry:
        """The request itself, as a connection has it."""
        return self

    @property
    def waits(self) -> bool:
        """Whether all of the request is here, and nothing of an answer."""
        return self._client.is_whole and not self.told and not self.over

    def asks(self, outbound: OutboundRequest, side: Side, origin: str) -> OutboundRequest:
        """What the side is sent, on its way out now."""
        self._asked = perf_counter()
        if self._span is None:
            return outbound
        headers, self._call = self._span.call(outbound.method, outbound.headers, side, origin)
        return outbound.with_headers(headers)

    def hears(self, answer: Response | Failure) -> Response | Failure:
        """The side's answer, whose head is here now, or its failure."""
        call, self._call = self._call, None
        if isinstance(answer, Failure):
            if call is not None:
                call.ended(None, answer.code)
            return answer
        if call is not None:
            call.ended(answer.status)
        if not self.routed.tester or self.routed.ignored:
            return answer
        side_s = perf_counter() - self._asked
        timing = server_timing(self._asked - self.begun, self.routed.decision.authoritative, side_s)
        return replace(answer, headers=(*answer.headers, (b"server-timing", timing)))

    def watch(self, side: Side, origin: str) -> Watch | None:
        """Who watches the copy."""
        return None if self._span is None else self._span.watch(side, origin)

    def ends(self, status: int, failure: Failure | None = None, *, sent: int = 0, first_byte_ms: float = 0.0) -> None:
        """The client has what it gets; a second end is none."""
        if self.over:
            return
        self.over = True
        self._ledger.entered.discard(self)
        total_s, routed = perf_counter() - self.begun, self.routed
        self._ledger.ended(routed.key, routed.stage, routed.decision.authoritative, status, total_s)
        code = "" if failure is None else failure.code
        if self._ledger.wants_line():
            trace_id = "" if self._span is None else self._span.trace_id
            line = line_of(self._request, routed, status, failure, sent, first_byte_ms, total_s, trace_id=trace_id)
            self._ledger.line(line)
        if self._call is not None:  # a WebSocket's handshake, or a client that did not wait for the side
            self._call.ended(None if failure is not None else status, code)
        if self._span is not None:
            self._span.ended(status, code)


def count_token(routed: Routed) -> None:
    """Count what came of a tester's token, once for its request."""
    if routed.ignored:
        count(f"override_ignored.{routed.ignored}")
    elif routed.decision.reason == OVERRIDE:
        count(f"override.{routed.decision.authoritative}")


def line_of(
    request: Request,
    routed: Routed,
    status: int,
    failure: Failure | None,
    sent: int,
    first_byte_ms: float,
    total_s: float,
    *,
    trace_id: str = "",
) -> Line:
    """The access log's line of a request that has just ended."""
    return Line(
        at=time() - total_s,
        request_id=request.id,
        client_ip=request.client_ip,
        method=request.method,
        target=request.target,
        route=routed.key,
        stage=routed.stage,
        side=routed.decision.authoritative,
        reason=routed.decision.reason,
        status=status,
        sent=sent,
        first_byte_ms=first_byte_ms,
        total_ms=total_s * 1000,
        shadowed=routed.decision.shadow is not None or routed.decision.rehearsed,
        failure="" if failure is None else failure.code,
        user_agent=request.header(b"user-agent"),
        trace_id=trace_id or trace_id_of(request.headers),
        template=None if routed.route is None else routed.route.template,
        secret_names=frozenset() if routed.route is None else routed.route.redact,
    )


def tell_failure(sent: Sent, failure: Failure, routed: Routed) -> None:
    """Log and count what a client got in place of an answer, or of its end."""
    event = "request_failed" if sent.whole else "answer_cut"
    decision = routed.decision
    log(
        event,
        level=logging.WARNING,
        code=failure.code,
        route=routed.key,
        side=decision.authoritative,
        reason=decision.reason,
    )
    count(f"failure.{failure.code}")
