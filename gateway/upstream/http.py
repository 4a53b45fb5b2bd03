"""A side that is reached over HTTP/1.1 or HTTPS, by the relay core; the target goes out byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import ceil

from gateway.failure import Failure
from gateway.message import BodyCut, OutboundRequest, Response, Side, nothing, once
from gateway.relay.exchange import Answer, exchange
from gateway.relay.pool import Bounds, Pool
from gateway.relay.trouble import Cut, Trouble
from gateway.upstream.reach import Reach, authority
from gateway.upstream.transport import failure_of
from gateway.upstream.wire import outgoing


class HttpTransport:
    """Connections to the origins of a side (see `reach.py`), shared by every request to it.

    `body_idle_timeout_s` bounds a client's pauses within its upload; left out, it is `idle_timeout_s`.
    """

    def __init__(
        self,
        origin: str,
        *,
        side: Side,
        connect_timeout_s: float = 5.0,
        idle_timeout_s: float = 300.0,
        body_idle_timeout_s: float | None = None,
        max_connections: int = 1_000,
        max_waiting: int = 1_000,
        max_wait_s: float = 3.0,
        reach: Reach | None = None,
    ) -> None:
        self.authority = authority(origin)
        self._addresses = (reach or Reach()).addresses(origin, name=side.value)
        self._bounds = Bounds(max_connections, max_waiting, max_wait_s, connect_timeout_s)
        self._side = side
        self.idle_s = idle_timeout_s
        self.body_idle_s = idle_timeout_s if body_idle_timeout_s is None else body_idle_timeout_s
        self._pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The connections; made inside the running loop, when they are first wanted."""
        if self._pool is None:
            self._pool = Pool(self._addresses, self._bounds)
        return self._pool

    @property
    def left_alone(self) -> bool:
        """Whether the breakers of all its addresses are open, so that nothing is sent now."""
        return self._addresses.all_open(asyncio.get_running_loop().time())

    def failure(self, trouble: Trouble) -> Failure:
        """This side's failure, or the client's when it was the client that did not go on."""
        if trouble is Trouble.STALLED_BODY:
            return Failure.REQUEST_BODY_TIMEOUT
        return failure_of(self._side, trouble.name)

    def retry_after_s(self, failure: Failure) -> int | None:
        """Seconds after which to try again: until an address is tried, while none is; else what the failure says."""
        if failure is not failure_of(self._side, Trouble.UNAVAILABLE.name):
            return failure.retry_after_s
        return max(ceil(self._addresses.closed_for_s(asyncio.get_running_loop().time())), 1)

    async def send(self, request: OutboundRequest, *, timeout_s: float) -> Response | Failure:
        """Send the request; a safe one without a body is sent again when a kept connection was dead."""
        wanted = outgoing(request, self.authority)
        if wanted is None:
            return Failure.BAD_REQUEST
        answer = await exchange(
            self.pool,
            wanted,
            timeout_s=timeout_s,
            idle_s=self.idle_s,
            body_idle_s=self.body_idle_s,
        )
        if isinstance(answer, Trouble):
            return self.failure(answer)
        status, headers, reason = answer.status, answer.headers, answer.reason
        whole = answer.whole
        if whole is not None:
            body, interim, trailers = once(whole), answer.interim, answer.trailers
            return Response(status, headers, body, nothing, reason, interim, trailers, whole, answer.length)

        async def close() -> None:
            answer.close()

        return Response(status, headers, self._read(answer), close, reason, answer.interim, answer.trailers)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _read(self, answer: Answer) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.body():
                yield chunk
        except Cut as cut:
            raise BodyCut(self.failure(cut.trouble)) from cut
