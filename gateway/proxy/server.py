"""uvicorn as the gateway uses it: nothing added to an answer, nothing believed of a peer, signals left alone."""

from __future__ import annotations

import logging
import socket
from functools import partial
from math import ceil
from typing import Any, Final, Literal, cast

import uvicorn
import websockets.http11
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request as HandshakeRequest

from gateway.proxy.announced import Announcement
from gateway.proxy.app import Gateway
from gateway.proxy.door import Door
from gateway.proxy.doorkeeper import Doorkeeper, DoorLimits
from gateway.proxy.drain import QuietServer
from gateway.proxy.edge import Edge
from gateway.proxy.receive import TARGET_EXTENSION
from gateway.proxy.self_check import fault_of
from gateway.settings.addresses import split_address
from gateway.telemetry import log

BACKLOG: Final = 2048
Front = Literal["edge", "asgi"]
FRONTS: Final[dict[Front, type[Door]]] = {"edge": Edge, "asgi": Door}
WEBSOCKET_MESSAGE: Final = 64 * 1024 * 1024  # bytes
EARLY: Final = 64 * 1024  # bytes before a handshake is answered, beyond which a client has to wait


# The library's own limit is 8 KiB a line; the door has already held the head to what we allow anywhere.
websockets.http11.MAX_LINE_LENGTH = DoorLimits().head_bytes


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol: it keeps the target as sent, and its end keeps no other connection from theirs."""

    _early = b""

    def handle_connect(self, event: HandshakeRequest) -> None:
        """A handshake has come; the app starts after this returns, unless it was refused."""
        super().handle_connect(event)
        if not self.handshake_complete:
            cast(dict[str, Any], self.scope["extensions"])[TARGET_EXTENSION] = event.path.encode("latin-1")

    def data_received(self, data: bytes) -> None:
        """Frames; what comes before the handshake is answered waits for that, and is nobody's where it is refused."""
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            if len(self._early) > EARLY:
                self.transport.pause_reading()
        elif not self.transport.is_closing():
            super().data_received(data)

    async def send(self, message: Any) -> None:
        """The app's answer, or a message of it."""
        await super().send(message)
        self.handshake_complete = self.handshake_complete or self.close_sent  # uvicorn takes a refusal for no answer
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            if len(early) > EARLY:
                self.transport.resume_reading()
            self.data_received(early)

    def send_receive_event_to_app(self) -> None:
        """A message is whole. Text that is none ends the connection (1007); uvicorn would write frames of ours down."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(b"".join(self.frames)):
            self.frames = []
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def shutdown(self) -> None:
        """Say goodbye (1012), or just hang up where there never was a handshake."""
        if self.handshake_initiated:
            super().shutdown()
        else:
            self.transport.close()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


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


def data_server(
    gateway: Gateway,
    *,
    drain_s: float,
    front: Front = "edge",
    limits: DoorLimits | None = None,
    announced: bool = False,
) -> QuietServer:
    """The server of the data plane; at the end, requests in flight have `drain_s` seconds.

    `announced`: trusted proxies begin with a PROXY header.
    """
    return QuietServer(
        quiet_config(
            gateway,
            http=_protocol(gateway, FRONTS[front], limits or DoorLimits(), announced=announced),
            ws=Socket,
            ws_max_size=WEBSOCKET_MESSAGE,
            ws_ping_interval=None,
            ws_per_message_deflate=False,  # a fragment of 64 KiB would hold 64 MiB here: what-it-refuses.md
            timeout_graceful_shutdown=ceil(drain_s),
        ),
        drain_s=drain_s,
    )


def _protocol(gateway: Gateway, door: type[Door], limits: DoorLimits, *, announced: bool) -> Any:
    """What serves a connection: our door, or uvicorn's own protocol when ours does not work with this uvicorn."""
    fault = fault_of(Door)  # the edge leans on nothing that its door does not
    if fault is not None:
        log("front_unusable", level=logging.ERROR, why=fault, uvicorn=uvicorn.__version__)
        return "httptools"
    made = partial(door, keeper=Doorkeeper(limits), trust=gateway.trust)
    return partial(_announced, door=made, within_s=limits.head_s) if announced else made


def _announced(*, door: partial[Door], within_s: float, **by_uvicorn: Any) -> Announcement:
    """What uvicorn makes of a connection where trusted proxies begin with a PROXY header."""
    return Announcement(partial(door, **by_uvicorn), trust=door.keywords["trust"], within_s=within_s)


def adopt(server: QuietServer, gateway: Gateway) -> None:
    """Serve what comes from now on with another gateway; requests under way end with the one they have."""
    config = server.config
    config.loaded_app = gateway
    made = config.http_protocol_class
    if isinstance(made, partial):
        trusting = partial(made.keywords.get("door", made), trust=gateway.trust)
        trusting.keywords["keeper"].heads.forget()
        config.http_protocol_class = cast(Any, partial(made, door=trusting) if "door" in made.keywords else trusting)
    for connection in server.server_state.connections:
        if isinstance(connection, Door):
            connection.adopt(gateway)
