"""A connection before its door: a trusted proxy says first whom it speaks for (PROXY protocol), then HTTP begins.

Whoever is no trusted proxy is shown in as it is: an announcement of its own would be no HTTP, and refused as such.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from gateway.proxy import proxy_protocol
from gateway.proxy.door import Door
from gateway.proxy.peer import Trust, identify
from gateway.proxy.proxy_protocol import Announced
from gateway.telemetry import count, log

REFUSED: Final = "bad_proxy_header"


class Announcement(asyncio.Protocol):
    """Reads the header within `within_s` seconds, then gives the connection to a door."""

    def __init__(self, door: Callable[[], Door], *, trust: Trust, within_s: float) -> None:
        self._door, self._trust, self._within_s = door, trust, within_s
        self._transport: asyncio.Transport
        self._heard = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        if identify(address, "http", (), self._trust).trusted:
            self._timer = asyncio.get_running_loop().call_later(self._within_s, self._refuse, "too_slow")
        else:
            self._show_in(None, b"")

    def data_received(self, data: bytes) -> None:
        """A part of the header, or all of it and more."""
        self._heard += data
        read = proxy_protocol.read(self._heard)
        if isinstance(read, Announced):
            self._show_in(read.address, read.rest)
        elif read is not None:
            self._refuse(read.reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone before it said anything."""
        self._stop_timer()

    def _show_in(self, address: str | None, rest: bytes) -> None:
        self._stop_timer()
        door = self._door()
        door.announced = address
        self._transport.set_protocol(door)
        door.connection_made(self._transport)
        if rest:
            door.data_received(rest)

    def _refuse(self, why: str) -> None:
        """No answer: whoever speaks to us so does not wait for HTTP."""
        self._stop_timer()
        count(f"refused.{REFUSED}")
        log("refused", code=REFUSED, why=why)
        self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
