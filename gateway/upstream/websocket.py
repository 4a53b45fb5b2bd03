"""A WebSocket to a side over HTTP/1.1: the handshake as the client made it, then messages in both directions.

The client library makes frames and its own part of the handshake; target, Host and every other header are ours.
Message by message, so fragmentation and pings are not passed on (the edge of a later stage splices bytes).
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.datastructures import Headers as LibraryHeaders
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException
from websockets.http11 import Request
from websockets.http11 import Response as RefusedResponse
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from gateway.failure import Failure
from gateway.message import Headers, OutboundRequest, Side
from gateway.upstream.transport import failure_of

MESSAGE_BYTES: Final = 64 * 1024 * 1024  # of one message; the client's side of the gateway takes as much
MESSAGES_AHEAD: Final = 1  # read and not yet passed on; more stay in the side's socket
CLOSE_S: Final = 5.0  # how long the side may take for its part of the closing handshake
# What each end of a connection says for itself (RFC 6455 section 4.1). No extension is offered, so none is passed on.
_OF_THE_HANDSHAKE: Final = frozenset(
    {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-accept"}
)
_CHOSEN: Final = b"sec-websocket-protocol"  # of an answer: told apart from its headers
_TARGET: Final = re.compile(rb"[!-~]+")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_VALUE: Final = re.compile(rb"[\t -~\x80-\xff]*")  # RFC 9110 section 5.5
_NOWHERE: Final = parse_uri("ws://side.invalid/")  # the library wants a URL; nothing of it is used


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


class _AsAsked(ClientProtocol):
    """Asks for what it is told to ask for, where the library would make a request from a URL."""

    def __init__(self, target: str, headers: list[tuple[str, str]], subprotocols: list[str]) -> None:
        offered = [Subprotocol(name) for name in subprotocols] or None
        super().__init__(_NOWHERE, subprotocols=offered, max_size=MESSAGE_BYTES)
        self._target = target
        self._headers = headers

    def connect(self) -> Request:
        own = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self.key),
            ("Sec-WebSocket-Version", "13"),
        ]
        return Request(self._target, LibraryHeaders([*self._headers, *own]))


async def open_websocket(
    origin: str, side: Side, request: OutboundRequest, *, subprotocols: list[str], timeout_s: float
) -> Opened | Declined | Failure:
    """Make the handshake with a side within `timeout_s`."""
    headers = _travelling(request.headers, origin)
    if headers is None or not _TARGET.fullmatch(request.target):
        return Failure.BAD_REQUEST
    protocol = _AsAsked(request.target.decode("ascii"), headers, subprotocols)
    try:
        async with asyncio.timeout(timeout_s):
            socket = await _connect(origin, protocol)
    except InvalidStatus as refused:
        return _declined(refused.response, side)
    except TimeoutError:
        return failure_of(side, "TIMEOUT")
    except ConnectionClosed:
        return failure_of(side, "RESET")
    except InvalidMessage as broken:
        return failure_of(side, "RESET" if isinstance(broken.__cause__, EOFError) else "BAD_ANSWER")
    except WebSocketException:
        return failure_of(side, "BAD_ANSWER")
    except OSError:  # also a certificate that is not to be trusted
        return failure_of(side, "UNREACHABLE")
    answer = () if socket.response is None else _encoded(socket.response)
    kept = tuple(header for header in answer if header[0].lower() not in _OF_THE_HANDSHAKE | {_CHOSEN})
    return Opened(socket, socket.subprotocol, kept)


async def _connect(origin: str, protocol: ClientProtocol) -> ClientConnection:
    """Connect and shake hands once: a redirect is the side's answer, which belongs to the client."""
    parts = urlsplit(origin)
    secure = parts.scheme == "https"
    _, socket = await asyncio.get_running_loop().create_connection(
        lambda: ClientConnection(protocol, ping_interval=None, close_timeout=CLOSE_S, max_queue=MESSAGES_AHEAD),
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        ssl=_tls() if secure else None,
        server_hostname=parts.hostname if secure else None,
    )
    try:
        await socket.handshake(None, None)  # nothing is added
    except BaseException:  # nobody will have this socket
        socket.transport.abort()
        raise
    return socket


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificates, names checked; made once, because reading them takes a while."""
    return ssl.create_default_context()


def _travelling(headers: Headers, origin: str) -> list[tuple[str, str]] | None:
    """What the side is sent of the client's handshake; None when it would not stay on its line, or has a body."""
    kept = [header for header in headers if header[0].lower() not in _OF_THE_HANDSHAKE]
    for name, value in kept:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        if name.lower() == b"content-length" and value.strip(b"0"):
            return None
    if not any(name.lower() == b"host" for name, _ in kept):
        kept.insert(0, (b"host", urlsplit(origin).netloc.encode("ascii")))
    return [(name.decode("ascii"), value.decode("latin-1")) for name, value in kept]


def _declined(answer: RefusedResponse, side: Side) -> Declined | Failure:
    if answer.status_code < 200:
        return failure_of(side, "BAD_ANSWER")
    return Declined(answer.status_code, _encoded(answer), bytes(answer.body or b""))


def _encoded(answer: RefusedResponse) -> Headers:
    """The headers as bytes; the library has read them as latin-1 since 17, with surrogates before."""
    return tuple(
        (name.encode("ascii"), value.encode("latin-1", "surrogateescape")) for name, value in answer.headers.raw_items()
    )
