"""Stop 6: bodies flow through and leave bounded copies behind. The flow never waits for the copy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from time import perf_counter

from gateway.message import Observation, OutboundRequest, Response, Side, once


class Tap:
    """Keeps the first `cap` bytes of a body that somebody else reads."""

    def __init__(self, source: AsyncIterator[bytes], cap: int) -> None:
        self._source = source
        self._cap = cap
        self._kept = bytearray()
        self.over = False  # more came than was kept
        self.whole = False  # the body was read to its end

    @classmethod
    def of(cls, body: bytes, cap: int) -> Tap:
        """What is kept of a body that is here already."""
        tap = cls(once(b""), cap)
        tap.over, tap.whole = len(body) > cap, True
        tap._kept += body[:cap]
        return tap

    async def flow(self) -> AsyncIterator[bytes]:
        """The body, unchanged."""
        async for chunk in self._source:
            if not self.over and len(self._kept) + len(chunk) <= self._cap:
                self._kept += chunk
            else:
                self.over = True
            yield chunk
        self.whole = True

    @property
    def kept(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)


class Capture:
    """Both bodies of an exchange that will be compared, and the copy of the request for the other side."""

    def __init__(self, copy: OutboundRequest, *, cap: int, begun: float) -> None:
        self._copy = copy
        self._cap = cap
        self._begun = begun
        self._sent: Tap | None = None
        self._answer: tuple[Side, Response, Tap] | None = None

    def request(self, outbound: OutboundRequest) -> OutboundRequest:
        """The request with a tap on its body."""
        if outbound.body is None or isinstance(outbound.body, bytes):
            return outbound
        self._sent = Tap(outbound.body, self._cap)
        return outbound._replace(body=self._sent.flow())

    def answer(self, side: Side, response: Response) -> Response:
        """The response with a tap on its body."""
        if response.whole is not None:
            self._answer = side, response, Tap.of(response.whole, self._cap)
            return response
        tap = Tap(response.body, self._cap)
        self._answer = side, response, tap
        return response._replace(body=tap.flow())

    def observation(self) -> Observation | None:
        """The frozen answer once it has passed whole; None when the client never got its end."""
        if self._answer is None or not self._answer[2].whole:
            return None
        side, head, tap = self._answer
        elapsed_ms = (perf_counter() - self._begun) * 1000
        return Observation(side, head.status, head.headers, tap.kept, elapsed_ms, truncated=tap.over)

    def copy(self) -> OutboundRequest | None:
        """The copy with the request's body in it; None when that was not kept whole."""
        if self._sent is None:
            return self._copy
        return self._copy._replace(body=self._sent.kept) if self._sent.whole and not self._sent.over else None
