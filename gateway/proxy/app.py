"""The data plane's ASGI app: one request, eight stops. It decides nothing itself and stores nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from gateway.failure import Failure
from gateway.message import ClientGone, OutboundRequest, Request, Response, Side
from gateway.proxy.outbound import Addressing, build, copy_of
from gateway.proxy.peer import Peer
from gateway.proxy.receive import Client, Receive, Scope, Send, read, refusal
from gateway.proxy.respond import Sent, write
from gateway.proxy.tap import Capture
from gateway.proxy.websocket import decline, join
from gateway.rollout.decide import NO_ROUTE, Decision, decide
from gateway.rollout.plan import Live, Plan
from gateway.routing.table import Match
from gateway.settings import Network
from gateway.shadow.mirror import Job, Mirror
from gateway.telemetry import count, log, request_id
from gateway.upstream.inprocess import InProcess
from gateway.upstream.transport import Transport
from gateway.upstream.websocket import Declined, Opened, open_websocket


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of the data plane, in seconds and bytes."""

    timeout_s: float
    connect_timeout_s: float
    capture_bytes: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """An ASGI app over its parts. `transports` has no NEW when the gateway has no new side."""

    live: Live
    transports: Mapping[Side, Transport]
    origins: Mapping[Side, str]
    addressing: Addressing
    mirror: Mirror
    limits: Limits
    trusted: Sequence[Network]
    names_side: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket; the lifespan belongs to the composition root."""
        client = Client(scope, receive)
        request, peer = read(scope, client, trusted=self.trusted)  # 1
        request_id.set(request.id)
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, request, peer)
            return
        try:
            async with client.connected(has_body=request.body is not None):
                await self._serve(scope, request, peer, send)
        except ClientGone:
            count("client_gone")

    async def _serve(self, scope: Scope, request: Request, peer: Peer, send: Send) -> None:
        begun, plan = perf_counter(), self.live.plan
        match = plan.table.match(request.method, request.path)  # 2
        decision = self._decide(plan, match, request)  # 3
        side, capture = decision.authoritative, None
        outbound = build(request, side, peer, match, self.addressing)  # 4
        if decision.shadow is not None:
            copy = copy_of(build(request, decision.shadow, peer, match, self.addressing))
            capture = Capture(copy, cap=self.limits.capture_bytes, begun=begun)
            outbound = capture.request(outbound)
        refused = refusal(scope, request, self.addressing.pseudonym)
        answer = refused or await self._forward(outbound, side, match)  # 5
        if capture is not None and isinstance(answer, Response):
            answer = capture.answer(side, answer)  # 6
        named = side if self.names_side and isinstance(answer, Response) else None
        sent = await write(send, answer, request, side=named, begun=begun)  # 7
        if sent.failure is not None:
            _tell(sent, sent.failure, side, decision, match)
        if capture is not None and match is not None:
            self._offer(capture, request, plan, match)  # 8

    def _decide(self, plan: Plan, match: Match | None, request: Request) -> Decision:
        if match is None:
            return NO_ROUTE
        return decide(match.route, plan.flag(match.route.key), request, has_new=Side.NEW in self.transports)

    async def _forward(self, outbound: OutboundRequest, side: Side, match: Match | None) -> Response | Failure:
        transport = self.transports.get(side)
        if transport is None:
            return Failure.NEW_MISSING
        try:
            return await transport.send(outbound, timeout_s=self._timeout_s(match))
        except ClientGone:
            raise
        except Exception as bug:  # noqa: BLE001 - the ASGI edge: a bug of ours is an answer with a code, not a cut
            log("transport_bug", level=logging.ERROR, bug=bug)
            return Failure.GATEWAY_BUG

    def _timeout_s(self, match: Match | None) -> float:
        own = None if match is None else match.route.timeout_s
        return self.limits.timeout_s if own is None else own

    def _offer(self, capture: Capture, request: Request, plan: Plan, match: Match) -> None:
        answered, copy = capture.observation(), capture.copy()
        if answered is None or copy is None:
            count("shadow_dropped.incomplete")
            return
        flag = plan.flag(match.route.key)
        self.mirror.offer(Job(flag.route, request.id, flag.stage, flag.version, answered, copy))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, request: Request, peer: Peer) -> None:
        await receive()  # websocket.connect
        plan = self.live.plan
        match = plan.table.match("GET", request.path)  # 2
        side = self._decide(plan, match, request).authoritative  # 3
        outbound = build(request, side, peer, match, self.addressing)  # 4
        failure = refusal(scope, request, self.addressing.pseudonym)
        transport = self.transports.get(side)
        if failure is None and isinstance(transport, InProcess):
            failure = await transport.websocket(scope, outbound, receive, send)
            if failure is None:
                return
        outcome = failure or await self._open(side, outbound, scope, match)
        if isinstance(outcome, Opened):
            await join(outcome, receive, send)
        else:
            await decline(outcome, request, send)

    async def _open(
        self, side: Side, outbound: OutboundRequest, scope: Scope, match: Match | None
    ) -> Opened | Declined | Failure:
        if side not in self.origins:
            return Failure.NEW_MISSING
        timeout_s = min(self.limits.connect_timeout_s * 2, self._timeout_s(match))
        offered = scope.get("subprotocols", [])
        return await open_websocket(self.origins[side], side, outbound, subprotocols=offered, timeout_s=timeout_s)


def _tell(sent: Sent, failure: Failure, side: Side, decision: Decision, match: Match | None) -> None:
    route = "" if match is None else match.route.key
    event = "request_failed" if sent.whole else "answer_cut"
    log(event, level=logging.WARNING, code=failure.code, route=route, side=side, reason=decision.reason)
    count(f"failure.{failure.code}")
