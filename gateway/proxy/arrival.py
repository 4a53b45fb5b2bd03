"""A request as it has just come in: its head, who sent it, and what its header names say at one glance. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.message import Headers, Request
from gateway.proxy.hop import Kinds
from gateway.proxy.peer import Peer

HOST: Final = 1
LENGTH: Final = 2  # Content-Length
CODING: Final = 4  # Transfer-Encoding
EXPECT: Final = 8
TELLS_ID: Final = 16  # X-Request-Id
VIA: Final = 32
TWICE: Final = 64  # one of the above came more than once

_FACTS: Final = {
    b"host": HOST,
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"expect": EXPECT,
    b"x-request-id": TELLS_ID,
    b"via": VIA,
}
_FACT_OF: Final = Kinds(lambda name: _FACTS.get(name, 0))


class Arrival(NamedTuple):
    """`authority` is that of a target in absolute form; `facts` are the bits of `facts_of`."""

    request: Request
    peer: Peer
    authority: bytes | None
    version: str
    facts: int


def facts_of(headers: Headers) -> int:
    """The facts as bits; names in lower case."""
    facts = 0
    for header in headers:
        fact = _FACT_OF[header[0]]
        if fact:
            facts |= TWICE | fact if facts & fact else fact
    return facts
