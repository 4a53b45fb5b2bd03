"""The data plane's ASGI app: one request, eight stops. It decides nothing itself and stores nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter, time
from typing import TYPE_CHECKING

from gateway.failure import Failure
from gateway.message import ClientGone, OutboundRequest, Request, Response, Side
from gateway.proxy.arrival import TESTED, Arrival
from gateway.proxy.copying import Exchanged, captured, offer
from gateway.proxy.entry import Entry, tell_failure
from gateway.proxy.ledger import Ledger
from gateway.proxy.outbound import Addressing, build
from gateway.proxy.peer import Trust
from gateway.proxy.receive import Client, Receive, Scope, Send, read, refusal
from gateway.proxy.rehearsing import Rehearsing, Write
from gateway.proxy.rescue import Rescue
from gateway.proxy.respond import only_asgi, write
from gateway.proxy.tap import Capture
from gateway.proxy.websocket import decline, join, noted, unless_left
from gateway.rollout.decide import PANIC, RETIRED
from gateway.rollout.override import Ignored, Override, Overrides, overridden
from gateway.rollout.plan import Live
from gateway.rollout.routed import PANICKED, UNROUTED, Routed, choices_of
from gateway.routing.route import Route
from gateway.shadow.mirror import Mirror
from gateway.shadow.rehearsals import Rehearsals
from gateway.telemetry import count, log, request_id
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import InProcess
from gateway.upstream.transport import Transport
from gateway.upstream.websocket import Declined, Opened, open_websocket

if TYPE_CHECKING:  # it imports OpenTelemetry, which need not be there
    from gateway.proxy.tracing.spans import Tracing


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of the data plane, in seconds and bytes."""

    timeout_s: float
    connect_timeout_s: float
    capture_bytes: int
    websocket_idle_s: float = 0.0  # 0: as long as both ends stay


@dataclass(frozen=True, slots=True)
class Gateway:
    """An ASGI app over its parts. `transports` has no NEW when the gateway has no new side."""

    live: Live
    transports: Mapping[Side, Transport]
    origins: Mapping[Side, str]
    addressing: Addressing
    mirror: Mirror
    limits: Limits
    trust: Trust
    names_side: bool
    ledger: Ledger = field(default_factory=Ledger)
    overrides: Overrides | None = None
    tracing: Tracing | None = None
    rehearsals: Rehearsals | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket; the lifespan belongs to the composition root."""
        client = Client(scope, receive)
        if client.door is None:
            send = only_asgi(send)
        arrival = read(scope, client, trust=self.trust)  # 1
        request_id.set(arrival.request.id)
        if scope["type"] == "websocket":
            await self._websocket(scope, client, receive, send, arrival)
            return
        try:
            with client.connected(has_body=arrival.request.body is not None):
                await self._serve(arrival, client, send)
        except ClientGone:
            count("client_gone")

    async def _serve(self, arrival: Arrival, client: Client, send: Send) -> None:
        begun, request = perf_counter(), arrival.request
        routed = self.route(arrival)  # 2, 3
        decision, route = routed.decision, routed.route
        side, capture = decision.authoritative, self._keeping(arrival, routed)
        with Entry(self.ledger, self.tracing, request, routed, begun, client, capture) as entry:
            outbound = build(arrival, side, route, self.addressing)  # 4
            refused = refusal(arrival, self.addressing.pseudonym)
            if isinstance(capture, Rehearsing) and refused is None:
                outbound, capture = await capture.first(outbound, self.mirror)
            if capture is not None:
                outbound = capture.request(outbound)
            if entry.follows:
                outbound = entry.asks(outbound, side, self._origin(side))
            rescue = None if route is None or not route.rescue else self._rescue(arrival, routed, route)
            forward = self._forward if rescue is None else rescue.forward
            answer = refused or await forward(outbound, side, route)  # 5
            if entry.follows:
                answer = entry.hears(answer)
            if rescue is not None and rescue.failure is not None:
                rescue.instead_of(capture)
                side, capture = Side.LEGACY, None
            if isinstance(answer, Response):
                entry.told = answer.status
                if capture is not None:
                    answer = capture.answer(request.method, answer)  # 6
            named = side if self.names_side and isinstance(answer, Response) else None
            after = self._retry_after_s(side, answer) if isinstance(answer, Failure) else None
            sent = await write(  # 7
                send, answer, request, side=named, begun=begun, retry_after_s=after, door=client.door
            )
            entry.ends(sent.status, sent.failure, sent=sent.bytes, first_byte_ms=sent.first_byte_ms)
            if capture is not None:
                watch = entry.watch(side.other, self._origin(side.other))
                self._offer(Exchanged(capture, arrival, routed, sent.failure, watch))  # 8
            if rescue is not None and rescue.failure is not None:
                rescue.tell(self.mirror, routed, sent)
        if sent.failure is not None:
            tell_failure(sent, sent.failure, routed)

    def _origin(self, side: Side) -> str:
        """Where a side is, for traces: a URL, or `app` in this process."""
        return self.origins.get(side, "app")

    def route(self, arrival: Arrival) -> Routed:
        """Who answers: the request's route, the route's flag, the decision."""
        request, plan = arrival.request, self.live.plan
        route = plan.table.find(request.method, request.path)  # 2
        if route is None:
            return PANICKED if plan.panicked else UNROUTED
        if plan.panicked:
            flag = plan.flag(route.key)
            return Routed(route, flag, PANIC, route.key, flag.stage)
        known = plan.choices[Side.NEW in self.transports]
        try:
            choices = known[route.key]
        except KeyError:
            choices = known[route.key] = choices_of(route, plan.flag(route.key), has_new=Side.NEW in self.transports)
        routed = choices.of(request)  # 3
        return self._tested(routed, route, request) if arrival.head.facts & TESTED else routed

    def _tested(self, routed: Routed, route: Route, request: Request) -> Routed:
        """The same as a tester's token wants it, where there is a valid one and that is safe."""
        override = None if self.overrides is None else self.overrides.read(request.headers, time())
        if isinstance(override, Ignored):
            return replace(routed, tester=True, ignored=override)
        if not isinstance(override, Override):
            return routed
        decision = overridden(routed.decision, override, route, has_new=Side.NEW in self.transports)
        return replace(routed, decision=decision, tester=True)

    async def _forward(self, outbound: OutboundRequest, side: Side, route: Route | None) -> Response | Failure:
        transport = self.transports.get(side)
        if transport is None:
            return Failure.NEW_MISSING
        try:
            return await transport.send(outbound, timeout_s=self.timeout_s(route))
        except ClientGone:
            raise
        except Exception as bug:  # noqa: BLE001 - the ASGI edge: a bug of ours is an answer with a code, not a cut
            log("transport_bug", level=logging.ERROR, bug=bug)
            return Failure.GATEWAY_BUG

    def _rescue(self, arrival: Arrival, routed: Routed, route: Route) -> Rescue | None:
        """What lets legacy answer in the new side's place; None where nobody could tell whether it may."""
        new = self.transports.get(Side.NEW)
        if routed.decision.authoritative is Side.LEGACY:
            return None
        if not isinstance(new, InProcess) or not new.tells or routed.decision.reason == RETIRED:
            return None

        async def legacy(body: AsyncIterator[bytes] | bytes | None) -> Response | Failure:
            outbound = build(arrival, Side.LEGACY, route, self.addressing)._replace(body=body)
            return await self._forward(outbound, Side.LEGACY, route)

        cap, budget = self.limits.capture_bytes, self.mirror.budget
        return Rescue(new, arrival.request, legacy, timeout_s=self.timeout_s(route), cap=cap, budget=budget)

    def _retry_after_s(self, side: Side, failure: Failure) -> int | None:
        """When a client may ask again, where the side's breaker knows."""
        transport = self.transports.get(side)
        return transport.retry_after_s(failure) if isinstance(transport, HttpTransport) else None

    def timeout_s(self, route: Route | None) -> float:
        """Seconds that a side has until the first byte of its answer."""
        own = None if route is None else route.timeout_s
        return self.limits.timeout_s if own is None else own

    def capture(self, routed: Routed) -> Capture | None:
        """What keeps an exchange that is to be compared."""
        return captured(self.mirror, routed, cap=self.limits.capture_bytes)

    def _keeping(self, arrival: Arrival, routed: Routed) -> Capture | None:
        """What keeps an exchange that is to be compared, or a write that the new side is to rehearse."""
        decision = routed.decision
        if decision.rehearsed and routed.route is not None and self.rehearsals is not None:
            return Rehearsing(
                self.rehearsals, Write(arrival, routed, routed.route, self.addressing), self.mirror.budget
            )
        return self.capture(routed) if decision.noted or decision.shadow is not None else None

    def _offer(self, done: Exchanged) -> None:
        done.capture.open = False  # what it holds is let go of there
        if isinstance(done.capture, Rehearsing):
            asyncio.get_running_loop().call_soon(done.capture.over, done.failure)
        else:
            asyncio.get_running_loop().call_soon(offer, self.mirror, self.addressing, done)

    async def _websocket(self, scope: Scope, client: Client, receive: Receive, send: Send, arrival: Arrival) -> None:
        await receive()  # websocket.connect
        begun, request = perf_counter(), arrival.request
        routed = self.route(arrival)  # 2, 3
        side, route = routed.decision.authoritative, routed.route
        with Entry(self.ledger, self.tracing, request, routed, begun, client) as entry:
            outbound = build(arrival, side, route, self.addressing)  # 4
            outbound = entry.asks(outbound, side, self._origin(side))
            failure = refusal(arrival, self.addressing.pseudonym)
            transport = self.transports.get(side)
            if failure is None and isinstance(transport, InProcess):
                with noted(send, entry, self.ledger) as told:
                    failure = await transport.websocket(scope, outbound, receive, told)
                if failure is None:
                    return
            outcome = failure or await unless_left(self._open(side, outbound, scope, route), receive)
            if isinstance(outcome, Opened):
                entry.ends(101)
                await self._join(outcome, receive, send)
            else:
                entry.ends(outcome.status, outcome if isinstance(outcome, Failure) else None)
                after = self._retry_after_s(side, outcome) if isinstance(outcome, Failure) else None
                await decline(outcome, request, send, retry_after_s=after)

    async def _join(self, opened: Opened, receive: Receive, send: Send) -> None:
        self.ledger.websockets += 1
        try:
            await join(opened, receive, send)
        finally:
            self.ledger.websockets -= 1

    async def _open(
        self, side: Side, outbound: OutboundRequest, scope: Scope, route: Route | None
    ) -> Opened | Declined | Failure:
        transport = self.transports.get(side)
        if not isinstance(transport, HttpTransport):
            return Failure.NEW_MISSING
        timeout_s = min(self.limits.connect_timeout_s * 2, self.timeout_s(route))
        offered = scope.get("subprotocols", [])
        return await open_websocket(transport, side, outbound, subprotocols=offered, timeout_s=timeout_s)
