"""The edge: a door that relays what needs no ASGI task, which is every request for an HTTP side but a copied upload.

Route, flag, refusals and headers are the ASGI app's own functions, called from here: nothing that holds on one
front may silently not hold on the other. Whatever is refused, asked of an app or copied with a body takes the app's
way.
"""

from __future__ import annotations

from typing import Any

from gateway.message import Side
from gateway.proxy.answering import Answering
from gateway.proxy.app import Gateway
from gateway.proxy.arrival import CODING, EXPECT, Arrival
from gateway.proxy.copying import keeps_body
from gateway.proxy.door import Door
from gateway.proxy.exchange import Exchange
from gateway.proxy.hosting import Hosting, InHouse
from gateway.proxy.outbound import build, head_for
from gateway.proxy.receive import fault_in, refusal
from gateway.proxy.relaying import ByWire, Relaying
from gateway.proxy.splice import splice
from gateway.rollout.routed import Routed
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import InProcess


class Edge(Door):
    """One client connection of the edge. The gateway is the app that the server runs."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        gateway = self.app
        if not isinstance(gateway, Gateway):
            raise TypeError("the edge serves a Gateway and nothing else")
        self._gateway: Gateway = gateway

    def adopt(self, app: Any) -> None:
        """Relay what comes from now on with another gateway."""
        super().adopt(app)
        self._gateway = app

    def pause_writing(self) -> None:
        """The client's socket is full."""
        super().pause_writing()
        if isinstance(self._running, Answering):
            self._running.full_client()

    def resume_writing(self) -> None:
        """The client's socket takes more."""
        super().resume_writing()
        if isinstance(self._running, Answering):
            self._running.room_client()

    def exchange(self, arrival: Arrival) -> Exchange:
        """What will answer a request: callbacks where they can, else the app."""
        if not self._upgrades and not arrival.head.facts & EXPECT:
            routed = self._gateway.route(arrival)
            if arrival.request.body is None or not keeps_body(self._gateway.mirror, routed):
                answering = self._answering(arrival, routed)
                if answering is not None:
                    return answering
        return super().exchange(arrival)

    def plain_exchange(self, arrival: Arrival, line: bytes) -> Exchange:
        """The same for a request with a plain head."""
        answering = self._answering(arrival, self._gateway.route(arrival), line)
        return super().plain_exchange(arrival, line) if answering is None else answering

    def _answering(self, arrival: Arrival, routed: Routed, line: bytes = b"") -> Answering | None:
        """Who answers by callbacks; None when the app is to look after it.

        `line` is its request line, where that is plain: then only its fields may be refused.
        """
        gateway, decision = self._gateway, routed.decision
        if routed.tester or gateway.tracing is not None or (decision.rehearsed and gateway.rehearsals is not None):
            return None
        errand: ByWire | InHouse | None
        transport = gateway.transports.get(decision.authoritative)
        if isinstance(transport, HttpTransport):
            errand = self._by_wire(arrival, routed, transport, line)
        elif isinstance(transport, InProcess) and arrival.request.body is None:
            errand = self._in_house(arrival, routed, transport, line)
        else:
            return None
        if errand is None:
            return None
        capture = gateway.capture(routed) if decision.noted or decision.shadow is not None else None
        return Relaying(self, errand, capture) if isinstance(errand, ByWire) else Hosting(self, errand, capture)

    @property
    def answering(self) -> Answering | None:
        """The request that callbacks answer just now."""
        return self._running if isinstance(self._running, Answering) else None

    def start(self, exchange: Exchange) -> None:
        if isinstance(exchange, Answering):
            self._running = exchange
            exchange.start()
        else:
            super().start(exchange)

    def websocket(self, early: bytes) -> None:
        """Splice it where a side is spoken to over HTTP; nothing of it is ever copied."""
        arrival = self.arrival(self.parser.get_http_version())
        routed, gateway = self._gateway.route(arrival), self._gateway
        transport, errand = gateway.transports.get(routed.decision.authoritative), None
        if isinstance(transport, HttpTransport):
            errand = self._by_wire(arrival, routed, transport)
        if errand is None:
            super().websocket(early)
        else:
            splice(self, errand, early)

    def _by_wire(self, arrival: Arrival, routed: Routed, transport: HttpTransport, line: bytes = b"") -> ByWire | None:
        gateway, side = self._gateway, routed.decision.authoritative
        request, version, fields = arrival.request, arrival.version, arrival.head
        if self._is_refused(arrival, line) or version == "1.0":
            return None
        if line and fields.told and side is Side.LEGACY and gateway.addressing.hosts[side] is None:
            head: bytes | None = b"".join((line, b"\r\n", fields.told, request.id.encode(), b"\r\n\r\n"))
        else:
            head = head_for(arrival, side, routed.route, gateway.addressing)
        if head is None:
            return None
        chunked, timeout_s = fields.facts & CODING != 0, gateway.timeout_s(routed.route)
        return ByWire(gateway, arrival, request, version, routed, timeout_s, transport, head, chunked)

    def _in_house(self, arrival: Arrival, routed: Routed, app: InProcess, line: bytes) -> InHouse | None:
        gateway, route = self._gateway, routed.route
        if arrival.version == "1.0" or (route is not None and route.rescue):
            return None
        if self._is_refused(arrival, line):
            return None
        outbound, timeout_s = build(arrival, Side.NEW, route, gateway.addressing), gateway.timeout_s(route)
        return InHouse(gateway, arrival, arrival.request, arrival.version, routed, timeout_s, app, outbound)

    def _is_refused(self, arrival: Arrival, line: bytes) -> bool:
        """Whether a request goes no further; of a plain line (`line`) nothing is left to be said."""
        pseudonym = self._gateway.addressing.pseudonym
        return (fault_in(arrival.head, pseudonym) if line else refusal(arrival, pseudonym)) is not None
