"""The edge: a door that relays what needs no ASGI task, which is every request for an HTTP side but a copied upload.

Route, flag, refusals and headers are the ASGI app's own functions, called from here: nothing that holds on one
front may silently not hold on the other. Whatever is refused, asked of an app or copied with a body takes the app's
way.
"""

from __future__ import annotations

from typing import Any

from gateway.message import Side
from gateway.proxy.app import Gateway
from gateway.proxy.arrival import CODING, EXPECT, Arrival
from gateway.proxy.copied import Copied
from gateway.proxy.door import Door, Exchange
from gateway.proxy.outbound import head_for
from gateway.proxy.receive import refusal
from gateway.proxy.relaying import Errand, Relaying
from gateway.proxy.splice import splice
from gateway.rollout.routed import Routed
from gateway.upstream.http import HttpTransport


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
        if isinstance(self._running, Relaying):
            self._running.full_client()

    def resume_writing(self) -> None:
        """The client's socket takes more."""
        super().resume_writing()
        if isinstance(self._running, Relaying):
            self._running.room_client()

    def exchange(self, arrival: Arrival) -> Exchange:
        """What will answer a request: callbacks where they can, else the app."""
        if not self._upgrades and not arrival.head.facts & EXPECT:
            routed = self._gateway.route(arrival)
            if routed.decision.shadow is None or arrival.request.body is None:
                errand = self._errand(arrival, routed)
                if errand is not None:
                    return self._relaying(errand)
        return super().exchange(arrival)

    def plain_exchange(self, arrival: Arrival, line: bytes) -> Exchange:
        """The same for a request that is like the last one."""
        errand = self._errand(arrival, self._gateway.route(arrival), line)
        return super().plain_exchange(arrival, line) if errand is None else self._relaying(errand)

    def _relaying(self, errand: Errand) -> Relaying:
        if errand.routed.decision.shadow is None:
            return Relaying(self, errand)
        capture = self._gateway.capture(errand.routed)
        return Relaying(self, errand) if capture is None else Copied(self, errand, capture)

    def _start(self, exchange: Exchange) -> None:
        if isinstance(exchange, Relaying):
            self._running = exchange
            exchange.start()
        else:
            super()._start(exchange)

    def websocket(self, early: bytes) -> None:
        """Splice it where a side is spoken to over HTTP; nothing of it is ever copied."""
        arrival = self.arrival(self.parser.get_http_version())
        errand = self._errand(arrival, self._gateway.route(arrival))
        if errand is None:
            super().websocket(early)
        else:
            splice(self, errand, early)

    def _errand(self, arrival: Arrival, routed: Routed, line: bytes = b"") -> Errand | None:
        """The request as something to relay; None when the app is to look after it.

        `line` is the request line of one that has nothing left to refuse.
        """
        gateway, side = self._gateway, routed.decision.authoritative
        request, _, _, version, fields = arrival
        transport = gateway.transports.get(side)
        if not isinstance(transport, HttpTransport) or routed.tester or gateway.tracing is not None:
            return None
        if routed.decision.rehearsed and gateway.rehearsals is not None:
            return None
        if line and fields.told and side is Side.LEGACY and gateway.addressing.hosts[side] is None:
            head: bytes | None = b"".join((line, b"\r\n", fields.told, request.id.encode(), b"\r\n\r\n"))
        elif refusal(arrival, gateway.addressing.pseudonym) is not None or version == "1.0":
            return None
        else:
            head = head_for(arrival, side, routed.route, gateway.addressing)
        if head is None:
            return None
        chunked, timeout_s = fields.facts & CODING != 0, gateway.timeout_s(routed.route)
        return Errand(gateway, arrival, request, version, routed, transport, head, chunked, timeout_s)
