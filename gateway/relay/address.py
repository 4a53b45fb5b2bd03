"""One place where an origin can be reached, how to connect to it, and how that has gone so far."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from gateway.relay.breaker import Breaker
from gateway.relay.cause import Cause

TLS_GOODBYE_S: Final = 1.0  # for the origin's close_notify; nobody waits for it, but the socket stays open

P = TypeVar("P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Origin:
    """What was configured: a host and port, and how TLS is spoken there (None: not at all); or a socket's file."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    socket: str | None = None

    @property
    def is_name(self) -> bool:
        """Whether the host must be looked up."""
        try:
            ip_address(self.host.partition("%")[0])
        except ValueError:
            return self.socket is None
        return False


class Address:
    """`special` is false while there is nothing to think about when a connection to it comes back."""

    __slots__ = (
        "breaker", "cause", "connections", "host", "origin", "retired", "special", "surplus",
        "unanswered_at",
    )  # fmt: skip

    def __init__(self, origin: Origin, host: str, breaker: Breaker) -> None:
        self.origin = origin
        self.host = host
        self.breaker = breaker
        self.connections = 0  # open or being made
        self.surplus = 0  # of them, that others should have
        self.cause: Cause | None = None  # of the last miss, until something succeeds
        self.unanswered_at = float("-inf")  # a time of the loop: when a connection to it last had no answer
        self.retired = False  # it is no longer an address of its origin
        self.special = False

    def __str__(self) -> str:
        """As people write it."""
        if self.origin.socket is not None:
            return f"unix:{self.origin.socket}"
        return f"[{self.host}]:{self.origin.port}" if ":" in self.host else f"{self.host}:{self.origin.port}"

    async def connect(self, make: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """A connection with a protocol of the caller's on it; OSError when there is none to be had."""
        loop, origin = asyncio.get_running_loop(), self.origin
        self.connections += 1
        try:
            if origin.socket is not None:
                return await loop.create_unix_connection(make, origin.socket)
            return await loop.create_connection(make, self.host, origin.port, **_tls(origin))
        finally:
            self.connections -= 1


def _tls(origin: Origin) -> dict[str, Any]:
    if origin.tls is None:
        return {}
    name = origin.host.rstrip(".")  # a certificate's name has no dot at its end
    return {"ssl": origin.tls, "server_hostname": name, "ssl_shutdown_timeout": TLS_GOODBYE_S}
