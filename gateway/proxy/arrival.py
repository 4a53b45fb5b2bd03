"""A request as it has just come in: its head, who sent it, and what the names in its head tell at one glance. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.message import Headers, Request
from gateway.proxy.hop import HOP_BY_HOP, Kinds, named_by
from gateway.proxy.peer import Peer, is_claim, is_ours

TRAVELS: Final = 1  # to the side, as it is
HOST: Final = 2
LENGTH: Final = 4  # Content-Length
CODING: Final = 8  # Transfer-Encoding
EXPECT: Final = 16
TELLS_ID: Final = 32  # X-Request-Id
VIA: Final = 64
CONNECTION: Final = 128
IF_TRUSTED: Final = 256  # travels when a trusted proxy says it
TWICE: Final = 512  # a header came again that may come once
NAMES: Final = 1024  # Connection names a header that stays behind with it

_ONCE: Final = HOST | LENGTH | CODING | EXPECT
_STAYS: Final = 0
_MEANT: Final = {
    b"host": HOST | TRAVELS,
    b"content-length": LENGTH | TRAVELS,
    b"transfer-encoding": CODING,
    b"expect": EXPECT | TRAVELS,
    b"x-request-id": TELLS_ID,
    b"via": VIA | TRAVELS,
    b"connection": CONNECTION,
    b"x-real-ip": IF_TRUSTED,
    b"trailer": _STAYS,  # a request's trailers do not travel on, so nobody announces them
}
# With an underscore for a dash they are other headers, until an app behind us reads both alike.
_TWINS: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"via", b"connection", b"x-request-id"})


class Arrival(NamedTuple):
    """`authority` is that of a target in absolute form; `host` the first Host; `facts` are bits as above.

    `lines` are the headers that travel, as lines, when somebody has made them; no use where `facts` has NAMES.
    """

    request: Request
    peer: Peer
    authority: bytes | None
    version: str
    facts: int
    host: bytes
    lines: list[bytes] | None = None


def _kind_of(name: bytes) -> int:
    if name in _MEANT:
        return _MEANT[name]
    plain = name.replace(b"_", b"-")
    stays = name in HOP_BY_HOP or is_ours(name) or (plain in _TWINS and plain != name) or is_claim(name)
    return _STAYS if stays else TRAVELS


KINDS: Final = Kinds(_kind_of)


def noted(facts: int, kind: int, value: bytes) -> int:
    """The facts after another header."""
    if kind & facts & _ONCE:
        facts |= TWICE
    if kind & CONNECTION and named_by(value):
        facts |= NAMES
    return facts | kind


def read_facts(headers: Headers) -> tuple[int, bytes]:
    """The facts of a head, and its first Host; names in lower case."""
    facts, host = 0, b""
    for name, value in headers:
        kind = KINDS[name]
        if kind & HOST and not facts & HOST:
            host = value
        facts = noted(facts, kind, value)
    return facts, host
