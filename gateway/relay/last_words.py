"""What an origin said before its connection broke: one that refuses an upload answers, and reads no more of it.

Writing on then fails, and ends the connection with its answer unread. It knows sockets and TLS, and no HTTP.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Any, Final, Protocol

PIECE: Final = 256 * 1024


class LastWords(Protocol):
    """Where they are read."""

    def read(self) -> bytes:
        """Some bytes; none at the end. OSError when there are no more."""

    def close(self) -> None:
        """Let go of what was held for this."""


class TlsEnd(ssl.SSLObject):
    """One end of TLS, and where its loop puts what came in."""

    incoming: ssl.MemoryBIO


class Context(ssl.SSLContext):
    """As any, for connections whose last words are to be read: their loop has left them when it tells their end."""

    sslobject_class = TlsEnd

    def wrap_bio(self, incoming: ssl.MemoryBIO, *rest: Any, **more: Any) -> ssl.SSLObject:
        """What a loop makes of each connection."""
        sealed: TlsEnd = super().wrap_bio(incoming, *rest, **more)  # type: ignore[assignment]  # see sslobject_class
        sealed.incoming = incoming
        return sealed


class _Plain:
    """Of a socket whose transport still has it: connection_lost() comes before it is closed."""

    __slots__ = ("_socket",)

    def __init__(self, opened: Any) -> None:
        self._socket = opened

    def read(self) -> bytes:
        return os.read(self._socket.fileno(), PIECE)

    def close(self) -> None:
        """Nothing was held."""


class _Secured:
    """Under TLS the socket is closed first, so another hold on it is kept from the beginning."""

    __slots__ = ("_sealed", "_socket")

    def __init__(self, sealed: TlsEnd, opened: Any) -> None:
        self._sealed = sealed
        self._socket = socket.socket(fileno=os.dup(opened.fileno()))

    def read(self) -> bytes:
        while True:
            try:
                return self._sealed.read(PIECE)
            except ssl.SSLWantReadError:
                data = self._socket.recv(PIECE)
                if not data:
                    return b""
                self._sealed.incoming.write(data)

    def close(self) -> None:
        self._socket.close()


def last_words(transport: asyncio.BaseTransport) -> LastWords | None:
    """Where those of a new connection will be; None when they cannot be read."""
    opened, sealed = transport.get_extra_info("socket"), transport.get_extra_info("ssl_object")
    if opened is None:
        return None
    if sealed is None:
        return _Plain(opened)
    return _Secured(sealed, opened) if isinstance(sealed, TlsEnd) else None
