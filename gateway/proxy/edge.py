"""The edge: a door that relays what needs no ASGI task, which is every request with one HTTP side and no copy.

Route, flag, outbound request and refusals are the ASGI app's own functions, called from here: nothing that holds
on one front may silently not hold on the other. Whatever is refused, copied or asked of an app takes the app's way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from gateway.failure import Failure
from gateway.message import Request, Side
from gateway.proxy.access_log import Line
from gateway.proxy.app import Gateway, Routed
from gateway.proxy.door import Door, Exchange
from gateway.proxy.outbound import build
from gateway.proxy.peer import Peer
from gateway.proxy.receive import refusal
from gateway.proxy.relaying import Relaying
from gateway.relay.exchange import Outgoing, Patience
from gateway.upstream.http import HttpTransport


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be relayed, to whom, and how long to wait for what; `named_side` None leaves x-strangler-side out."""

    gateway: Gateway
    request: Request
    version: str
    routed: Routed
    transport: HttpTransport
    outgoing: Outgoing
    patience: Patience
    named_side: Side | None

    def write_down(self, status: int, failure: Failure | None, sent: int, first_byte_ms: float, total_s: float) -> None:
        """Take down how it ended; `total_s` in seconds."""
        ledger, routed = self.gateway.ledger, self.routed
        decision = routed.decision
        ledger.ended(routed.key, routed.stage, decision.authoritative, status, total_s)
        if ledger.wants_line():
            ledger.line(
                Line(
                    at=time.time() - total_s,
                    request_id=self.request.id,
                    client_ip=self.request.client_ip,
                    method=self.request.method,
                    target=self.request.target,
                    route=routed.key,
                    stage=routed.stage,
                    side=decision.authoritative,
                    reason=decision.reason,
                    status=status,
                    sent=sent,
                    first_byte_ms=first_byte_ms,
                    total_ms=total_s * 1000,
                    failure="" if failure is None else failure.code,
                    user_agent=self.request.header(b"user-agent"),
                )
            )


class Edge(Door):
    """One client connection of the edge. The gateway is the app that the server runs."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        gateway = self.app
        if not isinstance(gateway, Gateway):
            raise TypeError("the edge serves a Gateway and nothing else")
        self._gateway: Gateway = gateway

    def pause_writing(self) -> None:
        """The client's socket is full."""
        super().pause_writing()
        if isinstance(self._running, Relaying):
            self._running.full_client()

    def resume_writing(self) -> None:
        """The client's socket takes more."""
        super().resume_writing()
        if isinstance(self._running, Relaying):
            self._running.room_client()

    def _exchange(self, version: str, *, upgrades: bool) -> Exchange:
        request, peer, authority = self.request()
        if not upgrades:
            errand = self._errand(request, peer, authority, version)
            if errand is not None:
                return Relaying(self, errand)
        return self.cycle_for(request, peer, authority, version)

    def _start(self, exchange: Exchange) -> None:
        if isinstance(exchange, Relaying):
            self._running = exchange
            exchange.start()
        else:
            super()._start(exchange)

    def _errand(self, request: Request, peer: Peer, authority: bytes | None, version: str) -> Errand | None:
        """The request as something to relay; None when the app is to look after it."""
        gateway = self._gateway
        routed = gateway.route(request)
        side = routed.decision.authoritative
        transport = gateway.transports.get(side)
        if routed.decision.shadow is not None or not isinstance(transport, HttpTransport):
            return None
        if refusal(request, version=version, authority=authority, pseudonym=gateway.addressing.pseudonym) is not None:
            return None
        outgoing = transport.outgoing(build(request, side, peer, routed.match, gateway.addressing))
        if outgoing is None or outgoing.asks_first:
            return None
        patience = transport.patience(gateway.timeout_s(routed.match))
        named_side = side if gateway.names_side else None
        return Errand(gateway, request, version, routed, transport, outgoing, patience, named_side)
