"""Who sent the request: the client's address, scheme and host, by the trusted-proxy rule. Pure.

Forwarded headers are believed only from a peer whose address lies in a trusted network; from anybody else
they are removed (acceptance 9), under whatever spelling an app behind us might read them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.message import Headers
from gateway.proxy.forwarded import UNREADABLE, Hop, address_of, members, parse_addresses, parse_forwarded
from gateway.settings.values import Network

Telling = Literal["x-forwarded-for", "forwarded"]

_CLAIMS: Final = frozenset({b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url", b"x-original-host"})
_HOST: Final = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_MOST_KNOWN: Final = 4_096  # addresses remembered
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}  # Traefik says ws of a WebSocket


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose forwarded headers are believed, and which of the two counts where both are there."""

    networks: tuple[Network, ...] = ()
    first: Telling = "x-forwarded-for"
    _known: dict[str, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def has(self, address: str) -> bool:
        """Whether an address lies in a trusted network."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[address] = self._lies_within(address)
        return known

    def _lies_within(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Peer:
    """The connection's other end, and the client it speaks for (itself, unless it is a trusted proxy).

    `host` is the one the client asked for, where a trusted proxy has said it.
    """

    address: str
    trusted: bool
    client_ip: str
    scheme: str
    host: str | None = None


def identify(address: str, scheme: str, headers: Headers, trust: Trust) -> Peer:
    """Find the client: the hop nearest to us that is not a trusted proxy's.

    The two headers are never mixed: a proxy that writes one lets its clients write the other.
    """
    address = address_of(address) or address
    if not trust.has(address):
        return Peer(address, trusted=False, client_ip=address, scheme=scheme)
    said = _said(headers)
    standard, common = said.get(b"forwarded", ()), said.get(b"x-forwarded-for", ())
    told_by_standard = bool(standard) and (trust.first == "forwarded" or not common)
    hops = parse_forwarded(standard) if told_by_standard else parse_addresses(common)
    client_ip, from_the_end = _client(address, hops, trust)
    if told_by_standard:
        told = hops[-from_the_end] if hops else UNREADABLE
    else:
        told = Hop(
            client_ip,
            host=_at(said.get(b"x-forwarded-host", ()), from_the_end),
            proto=_at(said.get(b"x-forwarded-proto", ()), from_the_end),
        )
    host = told.host if told.host and _HOST.fullmatch(told.host) else None
    return Peer(address, True, client_ip, _SCHEMES.get((told.proto or "").lower(), scheme), host)


def is_claim(name: bytes) -> bool:
    """Whether a header tells who the client is or what it asked for; only trusted proxies may send one."""
    plain = name.replace(b"_", b"-")
    return plain in _CLAIMS or plain.startswith(b"x-forwarded-")


def is_ours(name: bytes) -> bool:
    """Whether a header belongs to the gateway; no client may send one on."""
    return name.replace(b"_", b"-").startswith(b"x-strangler-")


def _client(address: str, hops: Sequence[Hop], trust: Trust) -> tuple[str, int]:
    """The client's address, and which hop from the end was written by whoever saw it."""
    client_ip = address
    for at in range(1, len(hops) + 1):
        said = hops[-at].address
        if said is None:  # its writer would not say, or did not know: the one before it is all we have
            return client_ip, at
        client_ip = said
        if not trust.has(client_ip):
            return client_ip, at
    return client_ip, max(len(hops), 1)


def _at(values: Sequence[bytes], from_the_end: int) -> str | None:
    """A list header's member for a hop; a single one is for all hops, because most proxies replace it."""
    parts = members(values)
    if len(parts) == 1:
        return parts[0]
    return parts[-from_the_end] if len(parts) >= from_the_end else None


def _said(headers: Headers) -> dict[bytes, list[bytes]]:
    said: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            said.setdefault(name, []).append(value)
    return said
