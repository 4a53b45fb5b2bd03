"""A side that is reached over HTTP/1.1 or HTTPS, by the relay core; the target goes out byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from gateway.failure import Failure
from gateway.message import BodyCut, OutboundRequest, Response, Side
from gateway.relay.exchange import Answer, Outgoing, exchange
from gateway.relay.figures import PoolFigures
from gateway.relay.pool import Bounds, Pool
from gateway.relay.trouble import Cut, Trouble
from gateway.upstream.reach import Reach, authority
from gateway.upstream.transport import failure_of

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1


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
        self._idle_timeout_s = idle_timeout_s
        self._body_idle_timeout_s = body_idle_timeout_s
        self._pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The connections; made inside the running loop, when they are first wanted."""
        if self._pool is None:
            self._pool = Pool(self._addresses, self._bounds)
        return self._pool

    def failure(self, trouble: Trouble) -> Failure:
        """This side's failure, or the client's when it was the client that did not go on."""
        return _failure(self._side, trouble)

    async def send(self, request: OutboundRequest, *, timeout_s: float) -> Response | Failure:
        """Send the request; a safe one without a body is sent again when a kept connection was dead."""
        outgoing = _outgoing(request, self.authority)
        if outgoing is None:
            return Failure.BAD_REQUEST
        answer = await exchange(
            self.pool,
            outgoing,
            timeout_s=timeout_s,
            idle_s=self._idle_timeout_s,
            body_idle_s=self._body_idle_timeout_s,
        )
        if isinstance(answer, Trouble):
            return _failure(self._side, answer)

        async def close() -> None:
            answer.close()

        return Response(answer.status, answer.headers, self._read(answer), close)

    def figures(self) -> PoolFigures:
        """The pool at this moment."""
        return self.pool.figures()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _read(self, answer: Answer) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.body():
                yield chunk
        except Cut as cut:
            raise BodyCut(_failure(self._side, cut.trouble)) from cut


def _failure(side: Side, trouble: Trouble) -> Failure:
    """A side's failure, or the client's when it was the client that did not go on."""
    return Failure.REQUEST_BODY_TIMEOUT if trouble is Trouble.STALLED_BODY else failure_of(side, trouble.name)


def _outgoing(request: OutboundRequest, netloc: bytes) -> Outgoing | None:
    """The request as bytes, with a Host and its body's framing added where it has none.

    None when a part of it would end its line early: nobody may write a second request with the first.
    """
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.target)]
    has_host = has_length = asks_first = False
    for name, value in request.headers:
        has_host = has_host or name == b"host"
        has_length = has_length or name == b"content-length"
        asks_first = asks_first or (name == b"expect" and value.lower() == b"100-continue")
        lines.append(name + b": " + value)
    if not has_host:  # an HTTP/1.0 client need not send one
        lines.insert(1, b"host: " + netloc)
    chunked = request.body is not None and not has_length and not isinstance(request.body, bytes)
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    elif isinstance(request.body, bytes) and not has_length:
        lines.append(b"content-length: %d" % len(request.body))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    ends = len(lines) + 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or b" " in request.target:
        return None
    return Outgoing(
        head=head,
        body=request.body,
        chunked=chunked,
        head_only=request.method == "HEAD",
        repeatable=request.method in SAFE_METHODS and request.body is None,
        asks_first=asks_first,
    )
