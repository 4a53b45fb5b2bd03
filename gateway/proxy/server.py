"""uvicorn as the gateway uses it: nothing added to an answer, nothing believed of a peer, signals left alone."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any, Final, cast

import uvicorn
import websockets.http11
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request as HandshakeRequest

from gateway.proxy.app import Gateway
from gateway.proxy.door import HEAD_BYTES, Door
from gateway.proxy.receive import TARGET_EXTENSION
from gateway.settings import split_address

BACKLOG: Final = 2048
KEEPALIVE_S: Final = 75  # as nginx; an idle client connection costs little, a new one costs a round trip
WEBSOCKET_MESSAGE: Final = 64 * 1024 * 1024  # bytes


# The library's own limit is 8 KiB a line; the door has already held the head to what we allow anywhere.
websockets.http11.MAX_LINE_LENGTH = HEAD_BYTES


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol: it keeps the target as sent, and its end keeps no other connection from theirs."""

    def handle_connect(self, event: HandshakeRequest) -> None:
        """A handshake has come; the app starts after this returns, unless it was refused."""
        super().handle_connect(event)
        if not self.handshake_complete:
            cast(dict[str, Any], self.scope["extensions"])[TARGET_EXTENSION] = event.path.encode("latin-1")

    def shutdown(self) -> None:
        """Say goodbye (1012), or just hang up where there never was a handshake."""
        if self.handshake_initiated:
            super().shutdown()
        else:
            self.transport.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Not news: that an answer was left unfinished, which is how a cut is made and told by our own line."""
    return not record.getMessage().startswith("ASGI callable returned without completing")


logging.getLogger("uvicorn.error").addFilter(_is_news)


class QuietServer(uvicorn.Server):
    """A uvicorn server among others in one process: the composition root handles the signals for all of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind(address: str) -> socket.socket:
    """A TCP socket that listens on HOST:PORT; OSError when the address is taken or not ours.

    It listens at once: two sockets that are only bound may share an address, and one would get the other's callers.
    """
    host, port = split_address(address)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def quiet_config(app: Any, **more: Any) -> uvicorn.Config:
    """What both planes have in common. `app` is any ASGI app, `more` are uvicorn's own settings."""
    return uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        backlog=BACKLOG,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        **more,
    )


def data_server(gateway: Gateway, *, drain_s: float) -> uvicorn.Server:
    """The server of the data plane; at the end, requests in flight have `drain_s` seconds."""
    return QuietServer(
        quiet_config(
            gateway,
            http=Door,
            ws=Socket,
            ws_max_size=WEBSOCKET_MESSAGE,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=ceil(drain_s),
        )
    )
