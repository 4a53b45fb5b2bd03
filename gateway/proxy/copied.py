"""A request that is relayed by callbacks and whose answer is kept on its way, because a copy of it will be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.failure import Failure
from gateway.proxy.copying import Exchanged, offer
from gateway.proxy.relaying import Errand, Relaying
from gateway.proxy.tap import Capture
from gateway.relay.answer import AnswerReader
from gateway.relay.connection import Connection

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge


class Copied(Relaying):
    """As `Relaying`; it changes nothing and delays nothing. For requests without a body."""

    __slots__ = ("_capture", "_has_head")

    def __init__(self, edge: Edge, errand: Errand, capture: Capture) -> None:
        super().__init__(edge, errand)
        self._capture = capture
        self._has_head = False

    def _send_on(self, connection: Connection) -> None:
        self._capture.begin()
        super()._send_on(connection)

    def heard(self) -> None:
        """News of the answer: look at it before it is written on."""
        if self._connection is not None and not self.response_complete:
            self._keep(self._connection.answer)
        super().heard()

    def _keep(self, answer: AnswerReader) -> None:
        if not answer.status:
            return
        if not self._has_head:
            self._has_head = True
            head_only = self._errand.request.method == "HEAD"
            self._capture.head(answer.status, tuple(answer.headers), 0 if head_only else answer.length)
        for chunk in answer.chunks:  # whatever is here is taken before more comes
            self._capture.answered.add(chunk)
        if answer.complete:
            self._capture.answered.end()

    def _write_down(self, status: int, failure: Failure | None) -> None:
        super()._write_down(status, failure)
        if not self._capture.open:
            return
        self._capture.open = False
        errand, gateway = self._errand, self._errand.gateway
        done = Exchanged(self._capture, errand.arrival, errand.routed, failure, None)
        self._edge.loop.call_soon(offer, gateway.mirror, gateway.addressing, done)
