"""Who sent the request: the client's address and scheme, by the trusted-proxy rule. Pure.

Forwarded headers are believed only from a peer whose address lies in a trusted network; from anybody else
they are removed (acceptance 9), under whatever spelling an app behind us might read them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.message import Headers
from gateway.settings import Network

_CLAIMS: Final = frozenset({b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url", b"x-original-host"})


@dataclass(frozen=True, slots=True)
class Peer:
    """The connection's other end, and the client it speaks for (itself, unless it is a trusted proxy)."""

    address: str
    trusted: bool
    client_ip: str
    scheme: str


def identify(address: str, scheme: str, headers: Headers, trusted: Sequence[Network]) -> Peer:
    """Find the client: the rightmost address in X-Forwarded-For that is not a trusted proxy's."""
    if not _is_trusted(address, trusted):
        return Peer(address, trusted=False, client_ip=address, scheme=scheme)
    chain = [part.strip() for name, value in headers if name == b"x-forwarded-for" for part in value.split(b",")]
    client_ip = address
    for part in reversed(chain):
        hop = part.decode("latin-1")
        if not _is_address(hop):
            break
        client_ip = hop
        if not _is_trusted(hop, trusted):
            break
    claimed = next((value.strip().lower() for name, value in headers if name == b"x-forwarded-proto"), b"")
    return Peer(address, trusted=True, client_ip=client_ip, scheme="https" if claimed == b"https" else scheme)


def is_claim(name: bytes) -> bool:
    """Whether a header tells who the client is or what it asked for; only trusted proxies may send one."""
    plain = name.replace(b"_", b"-")
    return plain in _CLAIMS or plain.startswith(b"x-forwarded-")


def is_ours(name: bytes) -> bool:
    """Whether a header belongs to the gateway; no client may send one on."""
    return name.replace(b"_", b"-").startswith(b"x-strangler-")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    if not trusted or not _is_address(text):
        return False
    address = ipaddress.ip_address(text)
    return any(address in network for network in trusted)
