"""One request without a body that an app in this process answers, driven by callbacks: the app's task is the only one.

It is driven from both ends: by the door and by the app's call, which tells of news. What it decides, it decides as
`upstream/inprocess.py` does; requests with a body take that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.failure import Failure
from gateway.message import OutboundRequest
from gateway.proxy.answering import JOINED, Answering, Errand
from gateway.proxy.tap import Capture
from gateway.telemetry import request_id
from gateway.upstream.call import Call
from gateway.upstream.inprocess import InProcess

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge


@dataclass(slots=True)
class InHouse(Errand):
    """An errand to an app in this process: `outbound` is what it is asked."""

    app: InProcess
    outbound: OutboundRequest


class Hosting(Answering):
    """Made by the edge when a request's head is here; `start` when all that came with it is."""

    __slots__ = ("_call",)
    _errand: InHouse

    def __init__(self, edge: Edge, errand: InHouse, capture: Capture | None) -> None:
        super().__init__(edge, errand, capture)
        self._call: Call | None = None

    def start(self) -> None:
        """Run the app; the first of the answer comes on a later turn of the loop."""
        errand = self._errand
        request_id.set(errand.request.id)  # the app's task takes it along
        if self._capture is not None:
            self._capture.begin()
        self._call = errand.app.begin(errand.outbound, timeout_s=errand.timeout_s, listener=self.heard)

    # the client's end

    def let_go(self) -> None:
        """Tell the app that its client has gone, or has all of it."""
        call, self._call = self._call, None
        if call is not None:
            call.let_go()

    def full_client(self) -> None:
        """The client does not take the answer as fast as it comes: the app gets ahead of it by so much, and waits."""
        if self._call is not None and self.response_started:
            self._call.wait(going_on=False)

    def room_client(self) -> None:
        """The client takes more."""
        self.heard()

    # the app's end

    def heard(self) -> None:
        """News of the answer."""
        call = self._call
        if call is None or self.response_complete or call.outcome is None:
            return
        if not isinstance(call.outcome, tuple):
            self.let_go()
            self.fail(call.outcome if isinstance(call.outcome, Failure) else Failure.GATEWAY_BUG)
            return
        if not self.response_started:
            status, headers = call.outcome
            if call.whole and call.held < JOINED:
                self.answer_at_once(status, None, headers, call.length, b"".join(call.take()), [])
                return
            self.begin_answer(status, None, headers, call.length)
        if self._edge.flow.write_paused:
            self.full_client()
            return
        self.write_body(call.take())
        if isinstance(call.trouble, Failure):
            self.cut(call.trouble)
        elif call.whole:
            self.end_answer([])
        else:
            call.wait(going_on=True)
