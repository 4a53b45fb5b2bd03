"""Reads where a side is: the origins in its setting, how TLS is spoken with them, which Host they go by.

A setting is one origin or several with commas between them: `http://a:3001,http://b:3001`, `https://api.example.com`,
`unix:/run/legacy.sock`.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from gateway.relay.address import Origin
from gateway.relay.addresses import Addresses
from gateway.relay.breaker import Rules
from gateway.relay.last_words import Context
from gateway.relay.lookup import Resolve, resolve
from gateway.settings.addresses import UNIX, origins


@dataclass(frozen=True, slots=True)
class Reach:
    """How a side's addresses are found, trusted and given up on. `ca`: certificates that are trusted besides."""

    ca: Path | None = None
    dns_ttl_s: float = 30.0
    breaker: Rules = field(default_factory=Rules)
    resolve: Resolve = resolve

    def addresses(self, setting: str, *, name: str) -> Addresses:
        """The addresses of the origins in a setting."""
        read = (_origin(one, self.ca) for one in origins(setting))
        return Addresses(*read, name=name, rules=self.breaker, ttl_s=self.dns_ttl_s, resolve=self.resolve)


def own_url(setting: str) -> str:
    """The URL that names a side: its first origin, since one Host goes to all; localhost behind a socket's file."""
    first = origins(setting)[0]
    return "http://localhost" if first.startswith(UNIX) else first


def authority(setting: str) -> bytes:
    """The Host of a request that came without one."""
    return urlsplit(own_url(setting)).netloc.encode("ascii")


def _origin(url: str, ca: Path | None) -> Origin:
    if url.startswith(UNIX):
        return Origin("localhost", 0, socket=url.removeprefix(UNIX))
    parts = urlsplit(url)
    if parts.scheme == "https":
        return Origin(parts.hostname or "", parts.port or 443, trust(ca))
    return Origin(parts.hostname or "", parts.port or 80)


@cache
def trust(ca: Path | None) -> ssl.SSLContext:
    """Check certificates and names; made once for all, because reading the system's certificates takes a while."""
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH
    ).verify_flags  # what this Python has usual
    context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate in that file is trusted for what it is
    return context
