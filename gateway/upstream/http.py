"""A side that is reached over HTTP/1.1. The only file of the gateway that imports httpx (CLI aside).

A bare transport, never a client: a client keeps cookies between callers, adds headers and rewrites
`/a%2Fb/../c`. The `target` extension sends the request target byte for byte.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx

from gateway.failure import Failure
from gateway.message import BodyCut, OutboundRequest, Response, Side
from gateway.upstream.transport import failure_of

KEEPALIVE_S: Final = 4.0  # Node closes an idle connection after 5 s; leave first, or meet its reset
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1
_FAILURES: Final[tuple[tuple[type[httpx.HTTPError], str], ...]] = (
    (httpx.ConnectTimeout, "CONNECT_TIMEOUT"),
    (httpx.PoolTimeout, "BUSY"),
    (httpx.TimeoutException, "TIMEOUT"),
    (httpx.ConnectError, "UNREACHABLE"),
    (httpx.RemoteProtocolError, "BAD_ANSWER"),
    (httpx.NetworkError, "RESET"),
)


class HttpTransport:
    """Connections to one origin, kept alive and shared by every request to it."""

    def __init__(
        self,
        origin: str,
        *,
        side: Side,
        connect_timeout_s: float = 5.0,
        idle_timeout_s: float = 300.0,
        max_connections: int = 1_000,
    ) -> None:
        self._origin = httpx.URL(origin)
        self._side = side
        self._connect_timeout_s = connect_timeout_s
        self._idle_timeout_s = idle_timeout_s
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEPALIVE_S,
        )
        self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def send(self, request: OutboundRequest, *, timeout_s: float) -> Response | Failure:
        """Send the request; a safe one without a body is sent once more when a kept connection was gone."""
        answer = await self._send_once(request, timeout_s)
        may_retry = request.method in SAFE_METHODS and request.body is None
        if may_retry and answer is failure_of(self._side, "RESET"):
            answer = await self._send_once(request, timeout_s)
        return answer

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _send_once(self, request: OutboundRequest, timeout_s: float) -> Response | Failure:
        timeouts = {
            "connect": self._connect_timeout_s,
            "pool": self._connect_timeout_s,
            "write": self._idle_timeout_s,
            "read": timeout_s,
        }
        outgoing = httpx.Request(
            request.method,
            self._origin,
            headers=_framed(request, self._origin.netloc),
            stream=_Body(request.body),
            extensions={"target": request.target, "timeout": timeouts},
        )
        try:
            answer = await self._transport.handle_async_request(outgoing)
        except httpx.LocalProtocolError:
            return Failure.BAD_REQUEST
        except httpx.HTTPError as error:
            return self._failure(error)
        timeouts["read"] = self._idle_timeout_s  # the head is here; from now on only pauses count
        return Response(answer.status_code, tuple(answer.headers.raw), self._read(answer), answer.aclose)

    async def _read(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():  # raw: as encoded as it came
                yield chunk
        except httpx.HTTPError as error:
            raise BodyCut(self._failure(error)) from error
        finally:
            await answer.aclose()

    def _failure(self, error: httpx.HTTPError) -> Failure:
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" in str(error):
            return failure_of(self._side, "RESET")
        what = next((what for kind, what in _FAILURES if isinstance(error, kind)), "UNREACHABLE")
        return failure_of(self._side, what)


def _framed(request: OutboundRequest, netloc: bytes) -> list[tuple[bytes, bytes]]:
    """The headers, with a Host and the body's framing added where nobody has declared a length (RFC 9112 section 6)."""
    headers = list(request.headers)
    if not any(name == b"host" for name, _ in headers):  # an HTTP/1.0 client need not send one
        headers.insert(0, (b"host", netloc))
    if request.body is not None and not any(name == b"content-length" for name, _ in headers):
        if isinstance(request.body, bytes):
            headers.append((b"content-length", b"%d" % len(request.body)))
        else:
            headers.append((b"transfer-encoding", b"chunked"))
    return headers


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: AsyncIterator[bytes] | bytes | None) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self._body, bytes):
            yield self._body
        elif self._body is not None:
            async for chunk in self._body:
                yield chunk
