"""A WebSocket to a side over HTTP/1.1: the handshake as the client made it, then messages in both directions.

Message by message, so fragmentation and pings are not passed on (the edge of a later stage splices bytes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response as RefusedResponse
from websockets.typing import Origin, Subprotocol

from gateway.failure import Failure
from gateway.message import Headers, OutboundRequest, Side
from gateway.upstream.transport import failure_of

# The client library writes these itself, from what it is told and from the key it makes.
_OF_THE_HANDSHAKE: Final = frozenset(
    {
        b"host",
        b"origin",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"sec-websocket-accept",
    }
)


@dataclass(frozen=True, slots=True)
class Opened:
    """An accepted handshake: the socket, the sub-protocol the side chose, its other headers."""

    socket: ClientConnection
    subprotocol: str | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Declined:
    """A plain answer instead of an upgrade; the client gets it as it is."""

    status: int
    headers: Headers
    body: bytes


class _Connect(connect):
    """Connects once: a redirect is the side's answer, which belongs to the client."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_websocket(
    origin: str, side: Side, request: OutboundRequest, *, subprotocols: list[str], timeout_s: float
) -> Opened | Declined | Failure:
    """Make the handshake with a side within `timeout_s`."""
    parts = urlsplit(origin)
    secure = parts.scheme == "https"
    host = _first(request.headers, b"host") or parts.netloc
    client_origin = _first(request.headers, b"origin")
    tls: dict[str, Any] = {"server_hostname": parts.hostname} if secure else {}
    try:
        socket = await _Connect(
            f"{'wss' if secure else 'ws'}://{host}{request.target.decode('latin-1')}",
            host=parts.hostname,
            port=parts.port or (443 if secure else 80),
            origin=None if client_origin is None else Origin(client_origin),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=_travelling(request.headers),
            user_agent_header=None,
            compression=None,
            proxy=None,
            open_timeout=timeout_s,
            ping_interval=None,
            close_timeout=5,
            max_size=None,
            **tls,
        )
    except InvalidStatus as refused:
        return _declined(refused.response)
    except TimeoutError:
        return failure_of(side, "TIMEOUT")
    except InvalidHandshake:
        return failure_of(side, "BAD_ANSWER")
    except ValueError:  # a host or target that makes no URL
        return Failure.BAD_REQUEST
    except OSError:
        return failure_of(side, "UNREACHABLE")
    answer = socket.response
    headers = () if answer is None else _encoded(answer)
    kept = tuple(header for header in headers if header[0].lower() not in _OF_THE_HANDSHAKE)
    return Opened(socket, socket.subprotocol, kept)


def _travelling(headers: Headers) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers if name not in _OF_THE_HANDSHAKE
    ]


def _declined(answer: RefusedResponse) -> Declined:
    return Declined(answer.status_code, _encoded(answer), bytes(answer.body or b""))


def _encoded(answer: RefusedResponse) -> Headers:
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.raw_items())


def _first(headers: Headers, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), None)
