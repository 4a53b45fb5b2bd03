"""A WebSocket to a side over HTTP/1.1: the handshake as the client made it, then messages in both directions.

The client library makes frames and its own part of the handshake; target, Host and every other header are ours.
Message by message, so fragmentation and pings are not passed on (the edge of a later stage splices bytes).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

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
from gateway.relay.stake import Stake, Staked, tell
from gateway.relay.trouble import Trouble
from gateway.upstream.http import HttpTransport
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
    way: HttpTransport | str, side: Side, request: OutboundRequest, *, subprotocols: list[str], timeout_s: float
) -> Opened | Declined | Failure:
    """Make the handshake with a side within `timeout_s`, at one of the addresses of its transport."""
    way = HttpTransport(way, side=side) if isinstance(way, str) else way
    headers = _travelling(request.headers, way.authority)
    if headers is None or not _TARGET.fullmatch(request.target):
        return Failure.BAD_REQUEST
    target = request.target.decode("ascii")
    opened = await _open(way, lambda: _Socket(_AsAsked(target, headers, subprotocols)), timeout_s)
    if isinstance(opened, Trouble):
        return way.failure(opened)
    if isinstance(opened, RefusedResponse):
        return _declined(opened, side)
    answer = () if opened.response is None else _encoded(opened.response)
    kept = tuple(header for header in answer if header[0].lower() not in _OF_THE_HANDSHAKE | {_CHOSEN})
    return Opened(opened, opened.subprotocol, kept)


class _Socket(ClientConnection, Staked):
    """A connection that tells its address what becomes of it."""

    def __init__(self, protocol: ClientProtocol) -> None:
        self.stake: Stake | None = None
        self.untouched = True
        super().__init__(protocol, ping_interval=None, close_timeout=CLOSE_S, max_queue=MESSAGES_AHEAD)

    def hold(self, stake: Stake) -> None:
        self.stake = stake
        if self.connection_lost_waiter.done():
            stake.over()

    def data_received(self, data: bytes) -> None:
        self.untouched = False
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stake is not None:
            self.stake.over()
        super().connection_lost(exc)


async def _open(
    way: HttpTransport, make: Callable[[], _Socket], timeout_s: float
) -> _Socket | RefusedResponse | Trouble:
    """A socket, or what the side answered instead; an address that hangs up without a word is passed over."""
    tries, deadline = 0, asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                socket = await way.pool.dial(make)
        except TimeoutError:
            return Trouble.TIMEOUT
        if isinstance(socket, Trouble):
            return socket
        tries += 1
        came = await _shake_hands(socket, deadline)
        if socket.stake is not None:
            tell(socket.stake, came if isinstance(came, Trouble) else None)
        again = came is Trouble.RESET and socket.untouched and socket.stake is not None and tries < socket.stake.choices
        if not again:
            return socket if came is None else came


async def _shake_hands(socket: _Socket, deadline: float) -> RefusedResponse | Trouble | None:
    """Once: a redirect is the side's answer, which belongs to the client. None when it is open."""
    try:
        async with asyncio.timeout_at(deadline):
            await socket.handshake(None, None)  # nothing is added
    except BaseException as error:  # nobody will have this socket
        socket.transport.abort()
        match error:
            case InvalidStatus():
                return error.response
            case TimeoutError():
                return Trouble.TIMEOUT
            case ConnectionClosed():
                return Trouble.RESET
            case InvalidMessage():
                return Trouble.RESET if isinstance(error.__cause__, EOFError) else Trouble.BAD_ANSWER
            case WebSocketException():
                return Trouble.BAD_ANSWER
        if socket.stake is not None:
            socket.stake.left()
        raise
    return None


def _travelling(headers: Headers, authority: bytes) -> list[tuple[str, str]] | None:
    """What the side is sent of the client's handshake; None when it would not stay on its line, or has a body."""
    kept = [header for header in headers if header[0].lower() not in _OF_THE_HANDSHAKE]
    for name, value in kept:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        if name.lower() == b"content-length" and value.strip(b"0"):
            return None
    if not any(name.lower() == b"host" for name, _ in kept):
        kept.insert(0, (b"host", authority))
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
